package stdlog_test

import (
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"

	"hatchery/shared/stdlog"
)

func TestEachLineOfTheStandardLoggerIsOneSentence(t *testing.T) {
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	var said []string
	say := func(sentence string) { said = append(said, sentence) }
	stdlog.Withhold(say)
	log.Print("a token\nin two lines")
	slog.Warn("a token", "in", "slog") //nolint:sloglint // its default is what is tested
	stdlog.Logger(say).Print("a token")
	if want := []string{stdlog.Sentence, stdlog.Sentence, stdlog.Sentence}; strings.Join(said, "\n") != strings.Join(want, "\n") {
		t.Errorf("said was %q", said)
	}
}
