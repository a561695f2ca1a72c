package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxAnswer is the most that is read of an answer.
const maxAnswer = 100

// confirm asks a person whether to go on. Without a terminal nobody can be asked, and --yes has to have been given.
func confirm(ctx context.Context, term terminal, question string, yes bool) error {
	if yes {
		return nil
	}
	if !term.interactive {
		return usage("%s There is no terminal to ask: give --yes", question)
	}
	fmt.Fprintf(term.err, "%s [y/N] ", question)
	type line struct {
		text string
		err  error
	}
	answered := make(chan line, 1) // nobody may answer any more after Ctrl-C
	go func() {
		text, err := bufio.NewReader(io.LimitReader(term.in, maxAnswer)).ReadString('\n')
		answered <- line{text, err}
	}()
	select {
	case <-ctx.Done():
		return &exitError{exitNo, errors.New("interrupted: nothing was done")}
	case answer := <-answered:
		if answer.err != nil && !errors.Is(answer.err, io.EOF) {
			return usage("read the answer: %w", answer.err)
		}
		if text := strings.ToLower(strings.TrimSpace(answer.text)); text == "y" || text == "yes" {
			return nil
		}
	}
	return &exitError{exitNo, errors.New("nothing was done")}
}
