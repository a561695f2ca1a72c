package lambdahttp_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a front passes on of a file stands in the template and the pages, too.
func TestWhatFitsThroughAFrontIsWhatIsWrittenOfIt(t *testing.T) {
	for front, row := range map[string]struct {
		room  int64
		shown string
		files []string
	}{
		viaAPI:      {4_706_304, "4,706,304", []string{"docs/settings.md"}},
		viaURL:      {4_706_304, "4,706,304", nil},
		viaBalancer: {737_712, "737,712", []string{"docs/settings.md", "docs/deploy.md", "template.yaml", "CHANGELOG.md"}},
		viaSingle:   {737_712, "737,712", nil},
	} {
		var room int64
		got := call(t, front, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			room = w.(interface{ FileRoom() int64 }).FileRoom()
			_, _ = w.Write(make([]byte, room))
		}), request(t, http.MethodGet, "/", ""))
		if room != row.room || got.StatusCode != http.StatusOK || len(got.bytes(t)) != int(room) {
			t.Errorf("%s: %d bytes fit, want %d; the answer is %d with %d", front, room, row.room, got.StatusCode,
				len(got.bytes(t)))
		}
		for _, file := range row.files {
			text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), row.shown) {
				t.Errorf("%s does not say that %s bytes fit through a %s", file, row.shown, front)
			}
		}
	}
}
