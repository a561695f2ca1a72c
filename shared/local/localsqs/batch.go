package localsqs

import (
	"context"
	"errors"
	"regexp"
)

const maxBatch = 10

var batchIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch applies the rules that every batch has.
func checkBatch[E any](entries []E, id func(E) string) error {
	if len(entries) == 0 {
		return modelled("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if len(entries) > maxBatch {
		return modelled("TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(entries))
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !batchIDs.MatchString(id(e)) {
			return modelled("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, "+
				"hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id(e)] {
			return modelled("BatchEntryIdsNotDistinct", "Id %s repeated.", id(e))
		}
		seen[id(e)] = true
	}
	return nil
}

// batchFailure is one entry that was refused while its neighbours went through.
type batchFailure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

type batchResult struct {
	ID string `json:"Id"`
}

type batchOutput[R any] struct {
	Successful []R
	Failed     []batchFailure `json:",omitempty"`
}

// fail notes an entry's error; an error that is not SQS's own fails the whole call instead.
func (o *batchOutput[R]) fail(id string, err error) error {
	e, ok := errors.AsType[*apiError](err)
	if !ok {
		return err
	}
	o.Failed = append(o.Failed, batchFailure{id, true, e.code, e.message})
	return nil
}

type sendBatchInput struct {
	queueInput
	Entries []sendEntry
}

type sendBatchResult struct {
	ID string `json:"Id"`
	sendMessageOutput
}

func (s *Server) sendMessageBatch(_ context.Context, r *request, in *sendBatchInput) (
	*batchOutput[sendBatchResult], error) {
	if err := checkBatch(in.Entries, func(e sendEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	out := &batchOutput[sendBatchResult]{Successful: []sendBatchResult{}}
	var messages []*outgoing
	total := 0
	set := r.queue.settings.Load()
	for _, entry := range in.Entries {
		m, err := entry.prepare(set)
		if err != nil {
			if err := out.fail(entry.ID, err); err != nil {
				return nil, err
			}
			continue
		}
		total += m.size
		messages = append(messages, m)
		out.Successful = append(out.Successful, sendBatchResult{entry.ID, m.sendMessageOutput})
	}
	if total > maxMessageBytes {
		return nil, modelled("BatchRequestTooLong",
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxMessageBytes, total)
	}
	return out, s.send(r.queue, messages...)
}

type receiptEntry struct {
	ID string `json:"Id"`
	receivedInput
}

type receiptBatchInput struct {
	queueInput
	Entries []receiptEntry
}

func (s *Server) deleteMessageBatch(_ context.Context, r *request, in *receiptBatchInput) (
	*batchOutput[batchResult], error) {
	return s.receiptBatch(in, func(c *connection, e receiptEntry) error { return e.remove(c, r.queue) })
}

func (s *Server) changeMessageVisibilityBatch(_ context.Context, r *request, in *receiptBatchInput) (
	*batchOutput[batchResult], error) {
	now := s.now()
	defer r.queue.waiters.wakeAll() // as in changeMessageVisibility
	return s.receiptBatch(in, func(c *connection, e receiptEntry) error { return e.rehide(c, r.queue, now) })
}

// receiptBatch applies do to each entry in one transaction. An entry that SQS refuses is reported; only a failure of
// the storage undoes its neighbours.
func (s *Server) receiptBatch(in *receiptBatchInput, do func(*connection, receiptEntry) error) (
	*batchOutput[batchResult], error) {
	if err := checkBatch(in.Entries, func(e receiptEntry) string { return e.ID }); err != nil {
		return nil, err
	}
	out := &batchOutput[batchResult]{Successful: []batchResult{}}
	return out, s.db.write(func(c *connection) error {
		for _, entry := range in.Entries {
			err := do(c, entry)
			if err == nil {
				out.Successful = append(out.Successful, batchResult{entry.ID})
			} else if err := out.fail(entry.ID, err); err != nil {
				return err
			}
		}
		return nil
	})
}
