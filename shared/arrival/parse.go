package arrival

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is what one message body says.
type Message struct {
	// Created are the objects that have arrived, in the order of the message.
	Created []Created
	// Faults has one error for each record that could not be read: an undecodable key, a missing size, an unknown
	// version of the form. Such a record names no object that could be trusted.
	Faults []error
	// Ignored are the names of records about other events ("ObjectRemoved:Delete", "ObjectTagging:Put"), which a
	// wrongly set notification brings. There is nothing to do for them.
	Ignored []string
	// Test is true for the message that S3 sends once when notifications are set up. It names no object.
	Test bool
}

// What Parse accepts, for its errors.
const accepted = `accepted are a notification of S3 ("Records"), its test message ("Event":"s3:TestEvent") ` +
	`and an event of S3 through EventBridge ("source":"aws.s3")`

// Parse reads the body of a queue message. An error wraps ErrNotNotification and says what was found instead; a record
// inside a notification that cannot be read is no error but one of the Faults.
func Parse(body []byte) (Message, error) {
	if len(body) > MaxBody {
		return Message{}, fmt.Errorf("%w: the body has %d bytes, at most %d are read", ErrNotNotification, len(body), MaxBody)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return Message{}, fmt.Errorf("%w: the body is no JSON object (%w); %s", ErrNotNotification, err, accepted)
	}
	switch {
	case members["Records"] != nil:
		return parseRecords(members["Records"])
	case text(members["Event"]) == "s3:TestEvent":
		return Message{Test: true}, nil
	case text(members["source"]) == "aws.s3":
		return parseBridged(body, text(members["detail-type"]))
	}
	return Message{}, fmt.Errorf("%w: found %s; %s", ErrNotNotification, describe(members), accepted)
}

// record is one member of Records, with only the members that are read. Size is a pointer to tell 0 from absent: an
// object taken for empty because its size was missing would be refused wrongly.
type record struct {
	EventVersion string `json:"eventVersion"`
	EventSource  string `json:"eventSource"`
	AWSRegion    string `json:"awsRegion"`
	EventTime    string `json:"eventTime"`
	EventName    string `json:"eventName"`
	S3           struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      *int64 `json:"size"`
			ETag      string `json:"eTag"`
			VersionID string `json:"versionId"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

func parseRecords(raw json.RawMessage) (Message, error) {
	var records []json.RawMessage
	if err := json.Unmarshal(raw, &records); err != nil {
		return Message{}, fmt.Errorf("%w: Records is no list (%w); %s", ErrNotNotification, err, accepted)
	}
	if len(records) == 0 || len(records) > MaxRecords {
		return Message{}, fmt.Errorf("%w: it has %d records, want 1 to %d", ErrNotNotification, len(records), MaxRecords)
	}
	var m Message
	for i, raw := range records {
		created, ignored, err := parseRecord(raw)
		switch {
		case err != nil:
			m.Faults = append(m.Faults, fmt.Errorf("record %d of %d: %w", i+1, len(records), err))
		case ignored != "":
			m.Ignored = append(m.Ignored, ignored)
		default:
			m.Created = append(m.Created, created)
		}
	}
	return m, nil
}

// parseRecord reads one record; for an event of another kind it gives the event's name in ignored.
func parseRecord(raw json.RawMessage) (c Created, ignored string, err error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Created{}, "", fmt.Errorf("read the record: %w", err)
	}
	if r.EventSource != "aws:s3" {
		return Created{}, "", fmt.Errorf("event source %s: want %q", quote(r.EventSource), "aws:s3")
	}
	if err := checkVersion(r.EventVersion, 2, 0); err != nil {
		return Created{}, "", err
	}
	// Some servers keep the "s3:" of the notification's settings in the record; S3 does not. Dropping such a record as
	// "another event" would lose an upload.
	name := strings.TrimPrefix(r.EventName, "s3:")
	if name == "" {
		return Created{}, "", errors.New("the event name is missing")
	}
	if !strings.HasPrefix(name, createdPrefix) {
		return Created{}, cut(name), nil
	}
	object := r.S3.Object
	key, err := url.QueryUnescape(object.Key)
	if err != nil {
		return Created{}, "", fmt.Errorf("decode key %s: %w", quote(object.Key), err)
	}
	c, err = newCreated(name, r.EventTime, object.Size, Created{
		Region: r.AWSRegion, Bucket: r.S3.Bucket.Name, Key: key,
		VersionID: object.VersionID, ETag: object.ETag, Sequencer: object.Sequencer,
	})
	return c, "", err
}

// bridged is an event of S3 as EventBridge delivers it. Its key is not encoded.
type bridged struct {
	Time   string `json:"time"`
	Region string `json:"region"`
	Detail struct {
		EventVersion string `json:"event-version"`
		Reason       string `json:"reason"`
		Bucket       struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			Size      *int64 `json:"size"`
			ETag      string `json:"etag"`
			VersionID string `json:"version-id"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"detail"`
}

func parseBridged(body []byte, detailType string) (Message, error) {
	switch detailType {
	case "Object Created":
	case "":
		return Message{}, fmt.Errorf("%w: an EventBridge event of aws.s3 without detail-type", ErrNotNotification)
	default:
		return Message{Ignored: []string{cut(detailType)}}, nil
	}
	created, err := readBridged(body)
	if err != nil {
		return Message{Faults: []error{err}}, nil //nolint:nilerr // the fault is the record's, not the message's
	}
	return Message{Created: []Created{created}}, nil
}

func readBridged(body []byte) (Created, error) {
	var event bridged
	if err := json.Unmarshal(body, &event); err != nil {
		return Created{}, fmt.Errorf("read the EventBridge event: %w", err)
	}
	detail := event.Detail
	// The detail has carried a version of its own since EventBridge's envelope version stopped changing; events from
	// before have none.
	if detail.EventVersion != "" {
		if err := checkVersion(detail.EventVersion, 1, 0); err != nil {
			return Created{}, err
		}
	}
	created, err := newCreated(bridgedName(detail.Reason), event.Time, detail.Object.Size, Created{
		Region: event.Region, Bucket: detail.Bucket.Name, Key: detail.Object.Key,
		VersionID: detail.Object.VersionID, ETag: detail.Object.ETag, Sequencer: detail.Object.Sequencer,
	})
	if err != nil {
		return Created{}, fmt.Errorf("EventBridge event: %w", err)
	}
	return created, nil
}

// bridgedName gives the event name of S3's own form for the reason in an EventBridge event.
func bridgedName(reason string) string {
	switch reason {
	case "PutObject":
		return createdPrefix + "Put"
	case "POST Object":
		return createdPrefix + "Post"
	case "CopyObject":
		return createdPrefix + "Copy"
	}
	return createdPrefix + reason
}

// newCreated completes c with what both forms write as text or may leave out, and checks the whole.
func newCreated(name, eventTime string, size *int64, c Created) (Created, error) {
	if size == nil {
		return Created{}, fmt.Errorf("object %s has no size", quote(c.Key))
	}
	at, err := time.Parse(time.RFC3339, eventTime)
	if err != nil {
		return Created{}, fmt.Errorf("object %s: event time %s: want the form 2006-01-02T15:04:05.000Z",
			quote(c.Key), quote(eventTime))
	}
	c.Name, c.Size, c.Time = name, *size, at.UTC()
	c.ETag = strings.Trim(c.ETag, `"`)
	if err := c.check(); err != nil {
		return Created{}, err
	}
	return c, nil
}

// checkVersion compares "major.minor" the way S3's guide asks: the major for equality, the minor for at least.
func checkVersion(version string, major, minor int) error {
	first, second, _ := strings.Cut(version, ".")
	gotMajor, err1 := strconv.ParseUint(first, 10, 31)
	gotMinor, err2 := strconv.ParseUint(second, 10, 31)
	if err1 != nil || err2 != nil || gotMajor != uint64(major) || gotMinor < uint64(minor) {
		return fmt.Errorf("event version %s: want %d.%d or a later %d.x", quote(version), major, minor, major)
	}
	return nil
}

// text is the string in raw, or "" when raw holds anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// describe names what a body holds that is no notification, without showing values: they may be secret.
func describe(members map[string]json.RawMessage) string {
	if text(members["Type"]) == "Notification" && members["Message"] != nil {
		return "an SNS envelope (turn raw message delivery on for the subscription)"
	}
	if len(members) == 0 {
		return "an empty object"
	}
	names := slices.Sorted(maps.Keys(members))
	more := ""
	if len(names) > 5 {
		names, more = names[:5], fmt.Sprintf(" and %d more", len(members)-5)
	}
	for i := range names {
		names[i] = quote(names[i])
	}
	return "an object with " + strings.Join(names, ", ") + more
}

// cut bounds a name from outside that is handed on for a log.
func cut(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
