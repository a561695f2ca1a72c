package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxAnswer is the most that is read of an answer.
const maxAnswer = 100

// confirm asks a person whether to go on. Without a terminal nobody can be asked, and --yes has to have been given.
func confirm(term terminal, question string, yes bool) error {
	if yes {
		return nil
	}
	if !term.interactive {
		return usage("%s There is no terminal to ask: give --yes", question)
	}
	fmt.Fprintf(term.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(io.LimitReader(term.in, maxAnswer)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return usage("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return &exitError{exitNo, errors.New("nothing was done")}
}
