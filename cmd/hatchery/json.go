package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
)

// printJSON prints a value in one line, as all commands do. A name is as it stands, but what a terminal obeys, or shows
// as nothing, is escaped: controls, marks of direction, line separators.
func printJSON(out io.Writer, value any) error {
	var plain, line bytes.Buffer
	encoder := json.NewEncoder(&plain)
	encoder.SetEscapeHTML(false) // no browser reads it
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print a line of JSON: %w", err)
	}
	for _, r := range string(bytes.TrimSuffix(plain.Bytes(), []byte("\n"))) {
		if unicode.IsPrint(r) {
			line.WriteRune(r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&line, `\u%04x`, unit)
		}
	}
	line.WriteByte('\n')
	if _, err := out.Write(line.Bytes()); err != nil {
		return fmt.Errorf("print a line of JSON: %w", err)
	}
	return nil
}
