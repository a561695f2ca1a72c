//go:build acceptance

package acceptance

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// browser is a headless Chromium with one page, told what to do by the DevTools protocol over two pipes.
type browser struct {
	t       testing.TB
	to      io.Writer
	session string // of the page

	mu         sync.Mutex
	calls      int
	waiting    map[int]chan message
	complaints []string // what stood in the page's console, and what failed to load
}

// message is one of the protocol: an answer or an event.
type message struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

func openBrowser(t testing.TB) *browser {
	t.Helper()
	toRead, to, err := os.Pipe()
	check(t, err)
	from, fromWrite, err := os.Pipe()
	check(t, err)
	cmd := exec.Command(tool(t, "chromium"), "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-background-networking", "--no-first-run", "--hide-scrollbars", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), "about:blank")
	cmd.Env = bareEnvironment(t)
	cmd.ExtraFiles = []*os.File{toRead, fromWrite} // 3 and 4
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	check(t, keeper.start(cmd))
	check(t, toRead.Close())
	check(t, fromWrite.Close())
	b := &browser{t: t, to: to, waiting: map[int]chan message{}}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(from)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		<-read
	})
	b.attach()
	return b
}

// attach takes a new page, and hears what it complains of.
func (b *browser) attach() {
	b.t.Helper()
	var made struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &made)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": made.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		b.call(domain+".enable", nil, nil)
	}
}

// read hands out what the browser says until it ends.
func (b *browser) read(from io.Reader) {
	lines := bufio.NewReaderSize(from, 1<<20)
	for {
		text, err := lines.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		answer := b.waiting[m.ID]
		delete(b.waiting, m.ID)
		switch m.Method {
		case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
			b.complaints = append(b.complaints, m.Method+" "+string(m.Params))
		}
		b.mu.Unlock()
		if answer != nil {
			answer <- m
		}
	}
}

// try makes one call of the protocol.
func (b *browser) try(method string, params any, result any) error {
	if params == nil {
		params = struct{}{}
	}
	b.mu.Lock()
	b.calls++
	id, answer := b.calls, make(chan message, 1)
	b.waiting[id] = answer
	text, err := json.Marshal(map[string]any{"id": id, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		text, err = json.Marshal(map[string]any{"id": id, "method": method, "params": params})
	}
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	b.mu.Unlock()
	if err != nil {
		return err
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return fmt.Errorf("%s: %s", method, m.Error.Message)
		}
		if result == nil {
			return nil
		}
		return json.Unmarshal(m.Result, result)
	case <-time.After(30 * time.Second):
		return fmt.Errorf("%s: no answer within 30 s", method)
	}
}

func (b *browser) call(method string, params, result any) {
	b.t.Helper()
	check(b.t, b.try(method, params, result))
}

// evaluate runs a test's own code in the page, also where the page may run none, and decodes what it gives.
func (b *browser) evaluate(code string, value any) error {
	var result struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	err := b.try("Runtime.evaluate", map[string]any{"expression": code, "returnByValue": true, "awaitPromise": true}, &result)
	if err == nil && result.ExceptionDetails != nil {
		err = fmt.Errorf("%s %s", result.ExceptionDetails.Text, result.ExceptionDetails.Exception.Description)
	}
	if err == nil && value != nil {
		err = json.Unmarshal(result.Result.Value, value)
	}
	return err
}

// open goes to an address and waits until its page says something.
func (b *browser) open(url, says string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.says(says)
}

// says waits until the page that is shown has some words, and is loaded whole.
func (b *browser) says(words string) {
	b.t.Helper()
	eventually(b.t, 30*time.Second, fmt.Sprintf("the page says %q", words), func() (bool, string) {
		var text string
		err := b.evaluate(`document.readyState === "complete" ? document.title + "\n" + document.body.innerText : ""`, &text)
		return err == nil && strings.Contains(text, words), fmt.Sprint(text, err)
	})
}

// click clicks the first element that the selector finds, and whose text begins so, as a keyboard's Enter would. The page
// that follows has to say something.
func (b *browser) click(selector, begins, says string) {
	b.t.Helper()
	quote := func(s string) string { text, _ := json.Marshal(s); return string(text) }
	eventually(b.t, 30*time.Second, fmt.Sprintf("%s %q is there", selector, begins), func() (bool, string) {
		err := b.evaluate(fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%s)].find((e) =>
			(e.innerText || e.value || "").trim().startsWith(%s)); e.focus(); e.click(); })()`, quote(selector), quote(begins)), nil)
		return err == nil, fmt.Sprint(err)
	})
	b.says(says)
}

// as shows pages in a window of a size, with so many dots a pixel, and in a colour scheme.
func (b *browser) as(width, height int, dots float64, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride",
		map[string]any{"width": width, "height": height, "deviceScaleFactor": dots, "mobile": width < 500}, nil)
	b.call("Emulation.setEmulatedMedia",
		map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
}

// screenshot keeps a picture of the whole page.
func (b *browser) screenshot(name string) {
	b.t.Helper()
	check(b.t, os.WriteFile(filepath.Join(b.t.(*testing.T).ArtifactDir(), name+".png"), b.shot("png"), 0o600))
}

// shot is a picture of the whole page, as PNG or WebP.
func (b *browser) shot(format string) []byte {
	b.t.Helper()
	var shot struct{ Data string }
	eventually(b.t, 30*time.Second, "a screenshot", func() (bool, string) { // the page may just have been drawn
		err := b.try("Page.captureScreenshot",
			map[string]any{"captureBeyondViewport": true, "format": format, "quality": 55}, &shot) // of WebP
		return err == nil, fmt.Sprint(err)
	})
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	check(b.t, err)
	return picture
}

// complained gives what the pages complained of.
func (b *browser) complained() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.complaints
}
