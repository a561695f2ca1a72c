package dynamorecords

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"hatchery/shared/upload"
)

// item is what the table holds under one key.
type item map[string]types.AttributeValue

// maxItemBytes bounds an item far below DynamoDB's 400 KB.
const maxItemBytes = 64 << 10

const (
	// writerTokens is the attribute with the tokens of the last writes, the newest first. A
	// writer whose answer was lost finds its own there, also when a few others have written
	// since.
	writerTokens = "by"
	tokenLength  = 13
	tokensKept   = 4
)

// signed puts a token before those that an item has.
func signed(token, earlier string) string {
	tokens := strings.Fields(token + " " + earlier)
	return strings.Join(tokens[:min(len(tokens), tokensKept)], " ")
}

// storedItem is a record as the table holds it.
type storedItem struct {
	upload.Record
	tokens string // of the last writes: different after every one
	claims bool   // it was stored with Unique, and so has the claim on its bytes
	forget int64  // when DynamoDB may remove it; 0 is never
}

// gone says whether the record is a tombstone that has expired. It may linger for days.
func (h storedItem) gone(now time.Time) bool { return h.forget > 0 && h.forget <= now.Unix() }

// wrote says whether one of the last writes was signed with the token.
func (h storedItem) wrote(token string) bool {
	return strings.Contains(" "+h.tokens+" ", " "+token+" ")
}

// text and number are values of attributes.
func text(value string) types.AttributeValue { return &types.AttributeValueMemberS{Value: value} }

func number(value int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(value, 10)}
}

func (i item) text(name, value string) {
	if value != "" {
		i[name] = text(value)
	}
}

func (i item) number(name string, value int64) {
	if value != 0 {
		i[name] = number(value)
	}
}

func (i item) instant(name string, t time.Time) {
	if !t.IsZero() {
		i.text(name, textOf(t))
	}
}

// keyed begins an item, or is a key for DynamoDB.
func keyed(k itemKey) item { return item{partitionKey: text(k.pk), sortKey: text(k.sk)} }

// itemOf writes a record. Zero values are left out.
func (s *Store) itemOf(h storedItem) (item, error) {
	r := h.Record
	i := keyed(keyOf(r.Ref()))
	// Each index holds the one status that is looked for there: every other key would be a write more.
	switch r.Status {
	case upload.Pending:
		i.text(statusShard, shardKey(s.shardOf(r)))
		i.text(statusAt, statusAtOf(r))
	case upload.Stored:
		i.text(listKey, listKeyOf(r))
		i.text(bytesKey, bytesKeyOf(r))
	}
	i.text(writerTokens, h.tokens)

	i.text("name", r.Name)
	i.text("extension", r.Extension)
	i.text("filename", r.Filename)
	i.text("created_at", textOf(r.CreatedAt))
	i.text("status", string(r.Status))
	i.number("declared_size", r.Declared.Size)
	i.text("declared_type", r.Declared.Type)
	i.text("declared_sha256", r.Declared.SHA256)
	i.instant("form_expires", r.FormExpires)

	i.number("size", r.Size)
	i.text("content_type", r.ContentType)
	i.text("sha256", r.SHA256)
	i.text("judged_version", string(r.JudgedVersion))
	i.text("served_version", string(r.ServedVersion))
	i.instant("settled_at", r.SettledAt)
	if r.Reason != nil {
		// Also an empty code says that there is a reason.
		i["reason_code"] = text(string(r.Reason.Code))
		i.text("reason_message", r.Reason.Message)
	}
	if h.claims && r.Status == upload.Stored {
		i["claims"] = &types.AttributeValueMemberBOOL{Value: true}
	}

	i.number("failures", int64(r.Failures))
	if r.LastFailure != nil {
		i.text("failed_at", textOf(r.LastFailure.At))
		i.text("failure", r.LastFailure.Message)
	}
	i.number("reenqueued", int64(r.Resends))
	i.instant("reenqueued_at", r.ResentAt)
	i.instant("dropped_at", r.DroppedAt)
	i.instant("deleted_at", r.DeletedAt)
	i.instant("forget_after", r.ForgetAfter)
	if !r.ForgetAfter.IsZero() {
		i.number(forget, ceil(r.ForgetAfter, time.Second).Unix())
	}
	if n := i.bytes(); n > maxItemBytes {
		return nil, fmt.Errorf("the record has %d bytes, more than %d", n, maxItemBytes)
	}
	return i, nil
}

// bytes is about how large DynamoDB takes the item to be.
func (i item) bytes() int {
	n := 0
	for name, value := range i {
		n += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value)/2 + 2
		default:
			n++
		}
	}
	return n
}

// reading reads an item's attributes and keeps the first error.
type reading struct {
	item
	err error
}

func (r *reading) text(name string) string {
	switch v := r.item[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case nil:
	default:
		r.wrong(fmt.Errorf("attribute %s is a %T, not text", name, v))
	}
	return ""
}

func (r *reading) number(name string) int64 {
	switch v := r.item[name].(type) {
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.wrong(fmt.Errorf("attribute %s: %w", name, err))
		}
		return n
	case nil:
	default:
		r.wrong(fmt.Errorf("attribute %s is a %T, not a number", name, v))
	}
	return 0
}

func (r *reading) instant(name string) time.Time {
	text := r.text(name)
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(instant, text)
	if err != nil {
		r.wrong(fmt.Errorf("attribute %s: %w", name, err))
	}
	return t.UTC()
}

func (r *reading) wrong(err error) {
	if r.err == nil {
		r.err = err
	}
}

// key is where the item lies.
func (i item) key() itemKey {
	r := reading{item: i}
	return itemKey{r.text(partitionKey), r.text(sortKey)}
}

// parseItem reads what itemOf wrote.
func parseItem(i item) (storedItem, error) {
	ref, err := i.key().ref()
	if err != nil {
		return storedItem{}, err
	}
	r := &reading{item: i}
	h := storedItem{tokens: r.text(writerTokens), forget: r.number(forget), claims: i["claims"] != nil,
		Record: upload.Record{
			ID: ref.ID, Journal: ref.Journal, Entry: ref.Entry, Kind: ref.Kind,
			Name: r.text("name"), Extension: r.text("extension"), Filename: r.text("filename"),
			CreatedAt: r.instant("created_at"),
			Size:      r.number("size"), ContentType: r.text("content_type"), SHA256: r.text("sha256"),
			SettledAt: r.instant("settled_at"),
			Declared: upload.Declared{Size: r.number("declared_size"), Type: r.text("declared_type"),
				SHA256: r.text("declared_sha256")},
			FormExpires:   r.instant("form_expires"),
			JudgedVersion: upload.Version(r.text("judged_version")), ServedVersion: upload.Version(r.text("served_version")),
			Failures: int(r.number("failures")), Resends: int(r.number("reenqueued")),
			ResentAt:  r.instant("reenqueued_at"),
			DroppedAt: r.instant("dropped_at"),
			DeletedAt: r.instant("deleted_at"), ForgetAfter: r.instant("forget_after"),
		}}
	if i["reason_code"] != nil {
		h.Reason = &upload.Reason{Code: upload.Code(r.text("reason_code")), Message: r.text("reason_message")}
	}
	if i["failed_at"] != nil {
		h.LastFailure = &upload.Failure{At: r.instant("failed_at"), Message: r.text("failure")}
	}
	if h.Status, err = upload.ParseStatus(r.text("status")); err != nil {
		r.wrong(err)
	}
	if r.err != nil {
		// Whatever is wrong with it may be quoted, and be long.
		return storedItem{}, fmt.Errorf("the item of %s is damaged: %.500s", ref, r.err.Error())
	}
	return h, nil
}
