package localsqs

import (
	"context"
	"errors"
	"regexp"
)

const maxBatch = 10

var batchIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch applies the rules that every batch has; ids are those of its entries.
func checkBatch(ids []string) error {
	if len(ids) == 0 {
		return modelled("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(ids) > maxBatch {
		return modelled("TooManyEntriesInBatchRequest", "Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if !batchIDs.MatchString(id) {
			return modelled("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return modelled("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}

func idsOf[E any](entries []E, id func(*E) string) []string {
	ids := make([]string, len(entries))
	for i := range entries {
		ids[i] = id(&entries[i])
	}
	return ids
}

// batchFailure is one entry that was refused while its neighbours went through.
type batchFailure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

// failed describes an entry's error; an error that is not SQS's own fails the whole call instead.
func failed(id string, err error) (batchFailure, error) {
	var e *apiError
	if !errors.As(err, &e) {
		return batchFailure{}, err
	}
	return batchFailure{id, true, e.code, e.message}, nil
}

type batchResult struct {
	ID string `json:"Id"`
}

type batchOutput[R any] struct {
	Successful []R
	Failed     []batchFailure `json:",omitempty"`
}

func (s *Server) sendMessage(_ context.Context, _ *request, in *sendMessageInput) (*sendMessageOutput, error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	m, err := in.prepare(q.settings.Load())
	if err != nil {
		return nil, err
	}
	if err := s.send(q, []*outgoing{m}); err != nil {
		return nil, err
	}
	out := m.answer(in.MessageSystemAttributes)
	return &out, nil
}

type sendBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []sendEntry
}

type sendBatchResult struct {
	ID string `json:"Id"`
	sendMessageOutput
}

func (s *Server) sendMessageBatch(_ context.Context, _ *request, in *sendBatchInput) (*batchOutput[sendBatchResult], error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(idsOf(in.Entries, func(e *sendEntry) string { return e.ID })); err != nil {
		return nil, err
	}
	out := &batchOutput[sendBatchResult]{Successful: []sendBatchResult{}}
	var accepted []*sendEntry
	var messages []*outgoing
	total := 0
	set := q.settings.Load()
	for i := range in.Entries {
		entry := &in.Entries[i]
		m, err := entry.prepare(set)
		if err != nil {
			failure, err := failed(entry.ID, err)
			if err != nil {
				return nil, err
			}
			out.Failed = append(out.Failed, failure)
			continue
		}
		total += m.size
		accepted, messages = append(accepted, entry), append(messages, m)
	}
	if total > maxMessageBytes {
		return nil, modelled("BatchRequestTooLong", "Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	if len(messages) == 0 {
		return out, nil
	}
	if err := s.send(q, messages); err != nil {
		return nil, err
	}
	for i, m := range messages {
		out.Successful = append(out.Successful, sendBatchResult{accepted[i].ID, m.answer(accepted[i].MessageSystemAttributes)})
	}
	return out, nil
}

type receiptEntry struct {
	ID string `json:"Id"`
	changeVisibilityInput
}

type receiptBatchInput struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []receiptEntry
}

func (s *Server) deleteMessageBatch(_ context.Context, _ *request, in *receiptBatchInput) (*batchOutput[batchResult], error) {
	return s.receiptBatch(in, func(q *queue, e *receiptEntry) error {
		r, err := requiredReceipt(q, e.ReceiptHandle)
		if err != nil {
			return err
		}
		return s.remove(r)
	})
}

func (s *Server) changeMessageVisibilityBatch(_ context.Context, _ *request, in *receiptBatchInput) (*batchOutput[batchResult], error) {
	now := s.now()
	var changed []func()
	out, err := s.receiptBatch(in, func(q *queue, e *receiptEntry) error {
		r, timeout, err := e.read(q)
		if err != nil {
			return err
		}
		if err := s.rehide(q, r, now, timeout); err != nil {
			return err
		}
		changed = append(changed, func() { s.rehidden(q, now, timeout) })
		return nil
	})
	if err == nil {
		for _, tell := range changed {
			tell()
		}
	}
	return out, err
}

// receiptBatch applies do to each entry in one transaction. An entry that SQS refuses is reported; only a failure of
// the storage undoes its neighbours.
func (s *Server) receiptBatch(in *receiptBatchInput, do func(*queue, *receiptEntry) error) (*batchOutput[batchResult], error) {
	q, err := s.byURL(in.QueueURL)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(idsOf(in.Entries, func(e *receiptEntry) string { return e.ID })); err != nil {
		return nil, err
	}
	out := &batchOutput[batchResult]{Successful: []batchResult{}}
	err = s.db.Write(func() error {
		for i := range in.Entries {
			entry := &in.Entries[i]
			if err := do(q, entry); err != nil {
				failure, err := failed(entry.ID, err)
				if err != nil {
					return err
				}
				out.Failed = append(out.Failed, failure)
				continue
			}
			out.Successful = append(out.Successful, batchResult{entry.ID})
		}
		return nil
	})
	return out, err
}
