// Package stdlog keeps the standard library's logger from quoting what others sent. net/http writes down what a server
// sent too much of, which may be the caller's token that it was asked with.
package stdlog

import "log"

// Sentence stands in the place of every line.
const Sentence = "a line of the standard logger is withheld: it may quote a token, or what another system answered"

// Withhold replaces the output of the standard logger, and with it what goes through slog's default: say gets Sentence
// once for each line. It is for main functions, before anything else runs.
func Withhold(say func(sentence string)) {
	log.SetFlags(0)
	log.SetPrefix("")
	log.SetOutput(writer(say))
}

// Logger is a logger of which say gets Sentence once for each line. It is for what takes a logger of its own, like
// http.Server's ErrorLog.
func Logger(say func(sentence string)) *log.Logger { return log.New(writer(say), "", 0) }

type writer func(sentence string)

// Write is called once for each line.
func (w writer) Write(line []byte) (int, error) {
	w(Sentence)
	return len(line), nil
}
