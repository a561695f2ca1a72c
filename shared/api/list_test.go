package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hatchery/shared/upload"
)

// pageOf is what a list answers, with the address of the rest.
type pageOf struct {
	Images []struct{ ID upload.ID }
	Next   *string `json:"next_cursor"`
	rest   string
}

func readPage(t *testing.T, response *http.Response) pageOf {
	t.Helper()
	got := readReply(t, response)
	var p pageOf
	if got.status != 200 {
		t.Fatalf("answered %d %.300s", got.status, got.body)
	}
	if err := json.Unmarshal([]byte(got.body), &p); err != nil {
		t.Fatal(err)
	}
	if link := got.header.Get("Link"); link != "" {
		p.rest = strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
	}
	return p
}

// A list without limit is all that one answer takes, and says where the rest begins: a client that follows the link
// sees each record once.
func TestAListThatAnAnswerDoesNotTakeGoesOnAtTheNextLink(t *testing.T) {
	w := newFixture(t)
	const records = 3500 // some 1,500 fit into an answer to a load balancer
	for i := range records {
		id := fmt.Sprintf("00000000-0000-7000-8000-%012d", 100_000+i)
		// Names with what takes more room than it has bytes.
		w.create(ref("many", id), strings.Repeat(`"\<é`, i%20), start.Add(time.Duration(i)*time.Second))
		w.settleStored(ref("many", id))
	}
	for name, way := range transports {
		t.Run(name, func(t *testing.T) {
			send, address := way(t, w.handler), "/files/j/entries/many/images"
			seen, answers := map[upload.ID]bool{}, 0
			for address != "" {
				p := readPage(t, send(request(t, "GET", address, nil)))
				answers++
				for _, r := range p.Images {
					if seen[r.ID] {
						t.Fatalf("%s is listed twice", r.ID)
					}
					seen[r.ID] = true
				}
				if (p.rest == "") != (p.Next == nil) {
					t.Fatalf("the next link is %q, and next_cursor %v", p.rest, p.Next)
				}
				if address = p.rest; address != "" {
					u, err := url.Parse(address)
					if err != nil || u.Query().Get("cursor") != *p.Next || u.Query().Get("status") != "stored" {
						t.Fatalf("the next link is %q, %v; next_cursor is %q", address, err, *p.Next)
					}
				}
			}
			if len(seen) != records {
				t.Errorf("%d records are listed, want %d", len(seen), records)
			}
			if want := map[bool]int{true: 2, false: 1}[name == viaBalancer || name == viaSingle]; min(answers, 2) != want {
				t.Errorf("%d answers, want %d", answers, want)
			}
		})
	}
}

// A page is no larger than the answer: a client that follows the link sees each record once, whatever limit it asked for.
func TestAPageThatAnAnswerDoesNotTakeIsShorter(t *testing.T) {
	w := newFixture(t)
	const records = 1200 // 1,000 of them have 1.9 MB behind a load balancer
	for i := range records {
		id := fmt.Sprintf("00000000-0000-7000-8000-%012d", 100_000+i)
		w.create(ref("many", id), strings.Repeat("<", 250), start.Add(time.Duration(i)*time.Second))
		if i%2 == 0 {
			w.settleStored(ref("many", id))
		}
	}
	for name, way := range transports {
		for _, query := range []string{"limit=1000", "limit=1000&status=pending", "status=pending"} {
			t.Run(name+" "+query, func(t *testing.T) {
				send, seen := way(t, w.handler), map[upload.ID]bool{}
				for address := "/files/j/entries/many/images?" + query; address != ""; {
					p := readPage(t, send(request(t, "GET", address, nil)))
					for _, r := range p.Images {
						seen[r.ID] = true
					}
					if (p.rest == "") != (p.Next == nil) {
						t.Fatalf("the next link is %q, and next_cursor %v", p.rest, p.Next)
					}
					address = p.rest
				}
				if len(seen) != records/2 {
					t.Errorf("%d records are listed, want %d", len(seen), records/2)
				}
			})
		}
	}
}

// For a status that no store has an index of, one request reads one page: short or not, it says where the rest begins.
func TestAListOfAnotherStatusIsOnePage(t *testing.T) {
	w := newFixture(t)
	const records = 1100
	for i := range records {
		w.create(ref("many", fmt.Sprintf("00000000-0000-7000-8000-%012d", 100_000+i)), "cat",
			start.Add(time.Duration(i)*time.Second))
	}
	for name, way := range transports {
		t.Run(name, func(t *testing.T) {
			send := way(t, w.handler)
			for _, c := range []struct{ query, limit string }{{"status=pending", ""}, {"limit=600&status=pending", "600"}} {
				var counts []int
				for address := "/files/j/entries/many/images?" + c.query; address != ""; {
					p := readPage(t, send(request(t, "GET", address, nil)))
					counts = append(counts, len(p.Images))
					if address = p.rest; address == "" {
						continue
					}
					u, err := url.Parse(address)
					if err != nil || p.Next == nil || u.Query().Get("cursor") != *p.Next ||
						u.Query().Get("status") != "pending" || u.Query().Get("limit") != c.limit {
						t.Fatalf("the next link is %q, %v", address, err)
					}
				}
				want := []int{500, 500, 100}
				if c.limit != "" {
					want = []int{600, 500}
				}
				if !slices.Equal(counts, want) {
					t.Errorf("%s: the pages have %v records, want %v", c.query, counts, want)
				}
			}
		})
	}
}
