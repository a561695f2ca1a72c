package arrival

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// The order and the names of the members are those of S3's own messages.
type (
	writtenMessage struct {
		Records []writtenRecord `json:"Records"`
	}
	writtenRecord struct {
		EventVersion      string            `json:"eventVersion"`
		EventSource       string            `json:"eventSource"`
		AWSRegion         string            `json:"awsRegion"`
		EventTime         string            `json:"eventTime"`
		EventName         string            `json:"eventName"`
		UserIdentity      writtenIdentity   `json:"userIdentity"`
		RequestParameters writtenCaller     `json:"requestParameters"`
		ResponseElements  writtenRequestIDs `json:"responseElements"`
		S3                writtenS3         `json:"s3"`
	}
	writtenIdentity struct {
		PrincipalID string `json:"principalId"`
	}
	writtenCaller struct {
		SourceIPAddress string `json:"sourceIPAddress"`
	}
	writtenRequestIDs struct {
		RequestID string `json:"x-amz-request-id"`
		HostID    string `json:"x-amz-id-2"`
	}
	writtenS3 struct {
		SchemaVersion   string        `json:"s3SchemaVersion"`
		ConfigurationID string        `json:"configurationId"`
		Bucket          writtenBucket `json:"bucket"`
		Object          writtenObject `json:"object"`
	}
	writtenBucket struct {
		Name          string          `json:"name"`
		OwnerIdentity writtenIdentity `json:"ownerIdentity"`
		ARN           string          `json:"arn"`
	}
	writtenObject struct {
		Key       string `json:"key"`
		Size      int64  `json:"size"`
		ETag      string `json:"eTag"`
		VersionID string `json:"versionId,omitempty"`
		Sequencer string `json:"sequencer"`
	}
)

// Format writes records as S3 writes them into a queue: version 2.1, times in milliseconds, keys form-encoded. What S3
// would say about the caller and the request is filled with fixed values, since Created does not hold it. It is an
// error to give no record, more than MaxRecords, or one that Parse would not read back.
func Format(records ...Created) ([]byte, error) {
	if len(records) == 0 || len(records) > MaxRecords {
		return nil, fmt.Errorf("format an S3 notification of %d records: want 1 to %d", len(records), MaxRecords)
	}
	message := writtenMessage{Records: make([]writtenRecord, 0, len(records))}
	for i, c := range records {
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("format record %d of %d of an S3 notification: %w", i+1, len(records), err)
		}
		message.Records = append(message.Records, written(c))
	}
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // S3 writes & and < as they are
	if err := encoder.Encode(message); err != nil {
		return nil, fmt.Errorf("format an S3 notification: %w", err)
	}
	if body.Len() > MaxBody {
		return nil, errors.New("format an S3 notification: it would be longer than a queue message may be")
	}
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), nil
}

func written(c Created) writtenRecord {
	return writtenRecord{
		EventVersion:      "2.1",
		EventSource:       "aws:s3",
		AWSRegion:         c.Region,
		EventTime:         c.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		EventName:         c.Name,
		UserIdentity:      writtenIdentity{PrincipalID: "AWS:AIDAEXAMPLE"},
		RequestParameters: writtenCaller{SourceIPAddress: "127.0.0.1"},
		ResponseElements:  writtenRequestIDs{RequestID: "0000000000000000", HostID: "none"},
		S3: writtenS3{
			SchemaVersion:   "1.0",
			ConfigurationID: "quarantine",
			Bucket: writtenBucket{
				Name:          c.Bucket,
				OwnerIdentity: writtenIdentity{PrincipalID: "AEXAMPLE"},
				ARN:           "arn:aws:s3:::" + c.Bucket,
			},
			Object: writtenObject{
				Key:       encodeKey(c.Key),
				Size:      c.Size,
				ETag:      strings.Trim(c.ETag, `"`),
				VersionID: c.VersionID,
				Sequencer: c.Sequencer,
			},
		},
	}
}

// encodeKey is the form encoding that S3 uses: a space is "+", everything unusual is percent-encoded, slashes stay.
func encodeKey(key string) string {
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// Sequencer makes a sequencer as S3 makes them (upper-case hexadecimal digits) that grows with time and n.
func Sequencer(at time.Time, n uint32) string {
	return fmt.Sprintf("%016X%08X", uint64(at.UnixNano()), n)
}
