package httpserver_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"hatchery/shared/local/httpserver"
)

func TestAServerAnswersToItsOwnHostsAlone(t *testing.T) {
	for _, c := range []struct {
		hosts httpserver.Hosts
		host  string
		want  bool
	}{
		{nil, "localhost", true},
		{nil, "LocalHost:8080", true},
		{nil, "localhost.", true},
		{nil, "bucket.localhost:9000", true},
		{nil, "127.0.0.1:8080", true},
		{nil, "127.8.9.1", true},
		{nil, "[::1]:8080", true},
		{nil, "[::1]", true},
		{nil, "[::ffff:127.0.0.1]:80", true},
		{nil, "", false},
		{nil, ":8080", false},
		{nil, "rebind.example:8080", false},
		{nil, "127.0.0.1.rebind.example", false},
		{nil, "notlocalhost", false},
		{nil, "localhost.rebind.example", false},
		{nil, "192.168.1.5:8080", false},
		{nil, "0.0.0.0:8080", false},
		{httpserver.Hosts{""}, "192.168.1.5", false},
		{httpserver.Hosts{"127.0.0.1:8080"}, "192.168.1.5", false},
		{httpserver.Hosts{"172.17.0.1:9000"}, "172.17.0.1:9000", true},
		{httpserver.Hosts{"172.17.0.1:9000"}, "172.17.0.1:9001", true}, // a port of another server of the stack, or forwarded
		{httpserver.Hosts{"172.17.0.1:9000"}, "172.17.0.2:9000", false},
		{httpserver.Hosts{"Mac.local:8080"}, "mac.local:8080", true},
		{httpserver.Hosts{"host.docker.internal"}, "host.docker.internal:9000", true},
		{httpserver.Hosts{"0.0.0.0:8080"}, "192.168.1.5:8080", true},
		{httpserver.Hosts{"0.0.0.0:8080"}, "[fe80::1]:8080", true},
		{httpserver.Hosts{"[::]:8080"}, "192.168.1.5:8080", true},
		{httpserver.Hosts{":8080"}, "192.168.1.5:8080", true},
		{httpserver.Hosts{"0.0.0.0:8080"}, "rebind.example:8080", false},
		{httpserver.Hosts{"[fe80::1%eth0]:8080"}, "[fe80::1]:8080", true}, // curl and browsers leave the zone out
		{httpserver.Hosts{":8080"}, "", false},
		{httpserver.Hosts{":8080"}, "rebind.example", false},
	} {
		if got := c.hosts.Allows(c.host); got != c.want {
			t.Errorf("%q with %q: %v, want %v", c.host, c.hosts, got, c.want)
		}
	}
}

func TestARequestForAnotherHostIsRefusedWithWhatWouldBeRight(t *testing.T) {
	s := listen(t)
	s.Start(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer s.Close(t.Context())
	for host, want := range map[string]int{"": http.StatusNoContent, "rebind.example:8080": http.StatusMisdirectedRequest} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Host = host // "" is that of the URL
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%q: status %d, want %d", host, response.StatusCode, want)
		}
		if want != http.StatusMisdirectedRequest {
			continue
		}
		var told struct{ Detail, Message, Code string } // an SDK of AWS reads the last two
		if err := json.NewDecoder(response.Body).Decode(&told); err != nil || !strings.Contains(told.Detail, host) ||
			!strings.Contains(told.Detail, "localhost, 127.0.0.1") || !strings.Contains(told.Detail, "--listen HOST:PORT") {
			t.Errorf("it is told %q, %v", told.Detail, err)
		}
		if told.Message != told.Detail || told.Code != "wrong_host" {
			t.Errorf("an SDK of AWS shows %q, %q", told.Code, told.Message)
		}
	}
}

func FuzzHosts(f *testing.F) {
	for _, host := range []string{"localhost:1", "[::1]", "[::1", "a:b:c", "%", "127.0.0.1."} {
		f.Add(host, "0.0.0.0:8080")
	}
	f.Fuzz(func(t *testing.T, host, own string) {
		if (httpserver.Hosts{own}).Allows(host) && strings.HasSuffix(host, ".example") && !strings.Contains(own, ".example") {
			t.Errorf("%q is allowed by %q", host, own)
		}
	})
}
