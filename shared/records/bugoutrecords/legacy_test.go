package bugoutrecords_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hatchery/shared/local/localbugout"
	"hatchery/shared/records/bugoutrecords"
	"hatchery/shared/upload"
)

// raw makes a request of Brood as any other program would.
func raw(t *testing.T, s *localbugout.Server, method, path string, body any) string {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL()+path, strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, answer, err)
	}
	return string(answer)
}

func create(t *testing.T, s *localbugout.Server, data map[string]any) {
	t.Helper()
	raw(t, s, "POST", "/resources/", map[string]any{"application_id": application, "resource_data": data})
}

// legacyImage is resource_data as the replaced service wrote it.
func legacyImage(id string) map[string]any {
	return map[string]any{"id": id, "journal_id": "j", "entry_id": "e", "name": "my_cat", "extension": "png",
		"created_at": "2021-09-19 15:15:00.437163"}
}

const legacyID = "8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a77"

func TestWhatTheReplacedServiceRecordedIsStored(t *testing.T) {
	s := brood(t, nil)
	create(t, s, legacyImage(legacyID))
	store := storeOn(t, s, nil)
	want := upload.Record{ID: legacyID, Journal: "j", Entry: "e", Kind: "images", Name: "my_cat", Extension: "png",
		CreatedAt: time.Date(2021, 9, 19, 15, 15, 0, 437163000, time.UTC), Status: upload.Stored}
	got, err := store.Get(t.Context(), want.Ref())
	if err != nil || got != want {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	list, err := store.List(t.Context(),
		upload.Query{Journal: "j", Entry: "e", Kind: "images", Status: upload.Stored, Limit: 10})
	if err != nil || len(list.Records) != 1 || list.Records[0] != want {
		t.Errorf("the list is %+v, %v", list, err)
	}
	stored, err := store.Scan(t.Context(), upload.ScanQuery{Status: upload.Stored, Cursor: "", Limit: 10})
	if err != nil || len(stored.Records) != 1 {
		t.Errorf("stored are %+v, %v", stored, err)
	}
	if used, err := store.Usage(t.Context(), "j", "e", "images"); err != nil || used.Files != 1 {
		t.Errorf("the entry holds %+v, %v", used, err)
	}
	if _, err := store.Update(t.Context(), want.Ref(), upload.Delete(noon, noon)); err != nil {
		t.Error(err)
	}
	if left := raw(t, s, "GET", "/resources/", nil); strings.TrimSpace(left) != `{"resources":[]}` {
		t.Errorf("left is %s", left)
	}
}

func TestTheSixOriginalMembersKeepNamesAndFormats(t *testing.T) {
	s := brood(t, nil)
	store := storeOn(t, s, nil)
	r := pending()
	r.CreatedAt = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	if _, err := store.Create(t.Context(), r, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Resources []struct {
			Data map[string]any `json:"resource_data"`
		}
	}
	// Each of them is also a filter that finds it.
	for key, value := range map[string]string{"id": string(r.ID), "journal_id": "j", "entry_id": "e", "name": "cat",
		"extension":  "png",
		"created_at": "2026-03-04 12:00:00.000000", "status": "stored", "kind": "images", "size": "5"} {
		if err := json.Unmarshal([]byte(raw(t, s, "GET", "/resources/?"+url.Values{key: {value}}.Encode(), nil)),
			&answer); err != nil {
			t.Fatal(err)
		}
		if len(answer.Resources) != 1 || answer.Resources[0].Data[key] != value {
			t.Errorf("by %s=%s: %+v", key, value, answer)
		}
	}
}

func TestWhatIsNoUploadIsPassedOver(t *testing.T) {
	s := brood(t, nil)
	store := storeOn(t, s, nil)
	for i, change := range []func(map[string]any){
		func(d map[string]any) { clear(d) },
		func(d map[string]any) { d["id"] = "no uuid" },
		func(d map[string]any) { d["id"] = 17 },
		func(d map[string]any) { delete(d, "journal_id") },
		func(d map[string]any) { d["entry_id"] = nil },
		func(d map[string]any) { d["journal_id"] = map[string]any{"x": 1}; d["id"] = []any{legacyID} },
	} {
		data := legacyImage(fmt.Sprintf("8c39d1f2-7a5b-4a36-9d2a-0e2f4b9c1a%02d", i))
		change(data)
		create(t, s, data)
	}
	create(t, s, legacyImage(legacyID))
	page, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 100})
	if err != nil || len(page.Records) != 1 || page.Records[0].ID != legacyID {
		t.Errorf("all are %+v, %v", page.Records, err)
	}
}

// TestSeveralResourcesOfOneUploadHeal: the one with a verdict counts, else the
// first; the verdict, or the next change after it, removes the others.
func TestSeveralResourcesOfOneUploadHeal(t *testing.T) {
	for name, statuses := range map[string][]string{"all pending": {"pending", "pending", "pending"},
		"a late repetition": {"pending", "stored", "pending"}} {
		t.Run(name, func(t *testing.T) {
			s := brood(t, nil)
			store := storeOn(t, s, nil)
			r := pending()
			for i, status := range statuses {
				create(t, s, map[string]any{"id": r.ID, "journal_id": "j", "entry_id": "e", "kind": "images", "name": "cat",
					"extension":  "png",
					"created_at": "2026-03-04 12:00:00.123456", "status": status, "judged_version": fmt.Sprint("v", i)})
			}
			want, counting := upload.Pending, "v0"
			if name == "a late repetition" {
				want, counting = upload.Stored, "v1"
			}
			got, err := store.Get(t.Context(), r.Ref())
			if err != nil || got.Status != want || got.JudgedVersion != upload.Version(counting) {
				t.Errorf("got %+v, %v", got, err)
			}
			if page, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10}); err != nil ||
				len(page.Records) != 1 {
				t.Errorf("all are %+v, %v", page.Records, err)
			}
			// While all wait, none of them is deleted: any may be the one that is settled.
			if _, err := store.Update(t.Context(), r.Ref(), upload.CountResend(0, noon)); err != nil {
				t.Error(err)
			}
			if err := upload.NoteFailure(t.Context(), store, r.Ref(), upload.Failure{At: noon, Message: "no"}); err != nil {
				t.Error(err)
			}
			left := raw(t, s, "GET", "/resources/", nil)
			if want == upload.Pending {
				if strings.Count(left, `"resource_data"`) != 3 {
					t.Errorf("before the verdict, left is %s", left)
				}
				counting = "q1"
				if _, err := store.Update(t.Context(), r.Ref(), upload.Settle(storing())); err != nil {
					t.Error(err)
				}
			}
			left = raw(t, s, "GET", "/resources/", nil)
			if strings.Count(left, `"resource_data"`) != 1 || !strings.Contains(left, `"`+counting+`"`) {
				t.Errorf("left is %s", left)
			}
		})
	}
}

// TestADamagedRecordIsTroubleAndLeftOutOfLists: it is never taken for absent.
func TestADamagedRecordIsTroubleAndLeftOutOfLists(t *testing.T) {
	for key, value := range map[string]any{"created_at": "yesterday", "status": "lost", "status ": nil, "status  ": "",
		"settled_at": "noon", "size": "big", "failures": -1,
		"form_expires": true, "creation": "of ours, and without a status"} {
		key = strings.TrimSpace(key)
		s := brood(t, nil)
		var damaged []error
		store := storeOn(t, s, func(o *bugoutrecords.Options) {
			o.Damaged = func(_ context.Context, err error) { damaged = append(damaged, err) }
		})
		data := legacyImage(legacyID)
		data[key] = value
		create(t, s, data)
		ref := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: legacyID}
		if _, err := store.Get(t.Context(), ref); !errors.Is(err, bugoutrecords.ErrDamaged) ||
			errors.Is(err, upload.ErrNotFound) {
			t.Errorf("%s: get: %v", key, err)
		}
		if _, err := store.Update(t.Context(), ref, upload.Delete(noon, noon)); !errors.Is(err, bugoutrecords.ErrDamaged) {
			t.Errorf("%s: delete: %v", key, err)
		}
		page, err := store.Scan(t.Context(), upload.ScanQuery{Cursor: "", Limit: 10})
		if err != nil || len(page.Records) != 0 || len(damaged) != 1 || !errors.Is(damaged[0], bugoutrecords.ErrDamaged) {
			t.Errorf("%s: all are %+v, %v; reported %v", key, page, err, damaged)
		}
	}
}

// TestAnIDInUpperCaseIsDamaged: Brood's filters would never find it.
func TestAnIDInUpperCaseIsDamaged(t *testing.T) {
	s := brood(t, nil)
	var damaged []error
	store := storeOn(t, s, func(o *bugoutrecords.Options) {
		o.Damaged = func(_ context.Context, err error) { damaged = append(damaged, err) }
	})
	create(t, s, legacyImage(strings.ToUpper(legacyID)))
	create(t, s, legacyImage(strings.Replace(legacyID, "8", "9", 1)))
	page, err := store.List(t.Context(), upload.Query{Journal: "j", Entry: "e", Kind: "images", Limit: 10})
	if err != nil || len(page.Records) != 1 {
		t.Errorf("listed are %+v, %v", page, err)
	}
	if len(damaged) != 1 || !errors.Is(damaged[0], bugoutrecords.ErrDamaged) ||
		!strings.Contains(damaged[0].Error(), "lower-case") ||
		!strings.Contains(damaged[0].Error(), strings.ToUpper(legacyID)) {
		t.Errorf("reported %v", damaged)
	}
}

func TestTheURLMayEndInASlashAndHasNoFragment(t *testing.T) {
	s := brood(t, nil)
	absent(t, storeOn(t, s, func(o *bugoutrecords.Options) { o.URL += "/" }))
	o := options(s)
	for _, more := range []string{"#here", "?a=b"} {
		o.URL = s.URL() + "/" + more
		if _, err := bugoutrecords.New(o); err == nil {
			t.Errorf("%s was taken", more)
		}
	}
}

func TestPlainHTTPIsForPlacesNearBy(t *testing.T) {
	for url, taken := range map[string]bool{"https://auth.bugout.dev": true, "http://127.0.0.1:7474": true,
		"http://brood:7474": true, "http://10.0.0.7": true,
		"http://auth.bugout.dev": false, "http://203.0.113.7": false} {
		_, err := bugoutrecords.New(bugoutrecords.Options{URL: url, Application: application,
			Token: func(context.Context) (string, error) { return token, nil }})
		if (err == nil) != taken {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestWhatSomebodyMarkedAsDeletedIsOnlyRemovedByADeletion: nothing here writes that status.
func TestWhatSomebodyMarkedAsDeletedIsOnlyRemovedByADeletion(t *testing.T) {
	s := brood(t, nil)
	marked := legacyImage(legacyID)
	marked["status"] = "deleted"
	create(t, s, marked)
	store := storeOn(t, s, nil)
	ref := upload.Ref{Journal: "j", Entry: "e", Kind: "images", ID: legacyID}
	if err := upload.NoteFailure(t.Context(), store, ref, upload.Failure{At: noon, Message: "slow"}); err != nil {
		t.Errorf("count a failure: %v", err)
	}
	if _, err := store.Update(t.Context(), ref, upload.CountResend(0, noon)); err != nil {
		t.Errorf("count a further message: %v", err)
	}
	if r, err := store.Get(t.Context(), ref); err != nil || r.Status != upload.Deleted || r.Failures != 0 ||
		r.Resends != 1 {
		t.Errorf("it is %+v, %v", r, err)
	}
	if _, err := store.Update(t.Context(), ref, upload.Delete(noon, noon)); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := store.Get(t.Context(), ref); !errors.Is(err, upload.ErrNotFound) {
		t.Errorf("after its deletion: %v", err)
	}
}
