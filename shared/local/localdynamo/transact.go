package localdynamo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Bounds of transactions (developer guide, "service quotas" and TransactWriteItems).
const (
	maxTransaction      = 100
	maxTransactionBytes = 4 << 20
	tokenLife           = 10 * time.Minute
	maxTokenLength      = 36
)

type transactWriteItem struct {
	ConditionCheck *deleteItemInput
	Put            *putItemInput
	Delete         *deleteItemInput
	Update         *updateItemInput
}

type transactWriteItemsInput struct {
	TransactItems               []transactWriteItem
	ClientRequestToken          string
	ReturnConsumedCapacity      string
	ReturnItemCollectionMetrics string
	digest                      [sha256.Size]byte // of the items, for the token
}

// UnmarshalJSON also takes the digest by which a repeated request is known.
func (in *transactWriteItemsInput) UnmarshalJSON(raw []byte) error {
	type fields transactWriteItemsInput
	var given struct{ TransactItems json.RawMessage }
	if err := json.Unmarshal(raw, &given); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, (*fields)(in)); err != nil {
		return err
	}
	// Clients write the same request with its names in another order.
	var items any
	if err := json.Unmarshal(given.TransactItems, &items); err != nil && given.TransactItems != nil {
		return err
	}
	canonical, err := json.Marshal(items)
	in.digest = sha256.Sum256(canonical)
	return err
}

type transactWriteItemsOutput struct {
	ConsumedCapacity []*capacity `json:",omitempty"`
}

// cancellationReason is what became of one item of a transaction that was cancelled.
type cancellationReason struct {
	Code    string
	Message string `json:",omitempty"`
	Item    item   `json:",omitempty"`
}

func (s *Server) transactWriteItems(_ context.Context, in *transactWriteItemsInput) (*transactWriteItemsOutput, error) {
	if err := checkTransaction(len(in.TransactItems)); err != nil {
		return nil, err
	}
	if len(in.ClientRequestToken) > maxTokenLength {
		return nil, invalid("1 validation error detected: Value at 'clientRequestToken' failed to satisfy constraint: Member must have length less than or equal to %d", maxTokenLength)
	}
	if err := checkCapacityWord(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	var actions []*action
	seen := itemSet{}
	for _, each := range in.TransactItems {
		a, err := s.prepareTransact(each)
		if err != nil {
			return nil, err
		}
		if seen.again(a.table, a.key) {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		actions = append(actions, a)
	}
	done := false
	err := s.db.Write(func() (err error) {
		if done, err = s.repeated(in); done || err != nil {
			return err
		}
		return s.db.transact(actions)
	})
	if err != nil {
		return nil, err
	}
	price := func(a *action) cost { return a.cost(2) }
	if done { // nothing was written, but looked up
		price = func(a *action) cost { return readCost(nil, 0, true).times(2) }
	}
	spent := costs(actions, in.ReturnConsumedCapacity, price)
	for _, c := range spent {
		c.transacted(!done)
	}
	return &transactWriteItemsOutput{spent}, nil
}

func checkTransaction(n int) error {
	if n < 1 || n > maxTransaction {
		return invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length from 1 to %d", maxTransaction)
	}
	return nil
}

func (s *Server) prepareTransact(each transactWriteItem) (*action, error) {
	var prepared []func() (*action, error)
	if each.ConditionCheck != nil {
		prepared = append(prepared, func() (*action, error) {
			if each.ConditionCheck.ConditionExpression == nil {
				return nil, invalid("The ConditionExpression of a ConditionCheck is required")
			}
			return s.prepareCheck(each.ConditionCheck)
		})
	}
	if each.Put != nil {
		prepared = append(prepared, func() (*action, error) { return s.preparePut(each.Put) })
	}
	if each.Delete != nil {
		prepared = append(prepared, func() (*action, error) { return s.prepareDelete(each.Delete) })
	}
	if each.Update != nil {
		prepared = append(prepared, func() (*action, error) { return s.prepareUpdate(each.Update) })
	}
	if len(prepared) != 1 {
		return nil, invalid("TransactItems can only contain one of Check, Put, Update or Delete")
	}
	return prepared[0]()
}

// repeated tells whether a transaction of the token was made in the last ten minutes, and remembers this one if not.
func (s *Server) repeated(in *transactWriteItemsInput) (bool, error) {
	if in.ClientRequestToken == "" {
		return false, nil
	}
	oldest := s.now() - tokenLife.Milliseconds()
	var digest []byte
	err := s.db.token.QueryRowContext(uninterrupted, in.ClientRequestToken, oldest).Scan(&digest)
	if err == nil {
		if !bytes.Equal(digest, in.digest[:]) {
			return false, modelled("IdempotentParameterMismatchException", "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical")
		}
		return true, nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return false, err
	}
	if _, err := s.db.forget.ExecContext(uninterrupted, oldest); err != nil {
		return false, err
	}
	_, err = s.db.remember.ExecContext(uninterrupted, in.ClientRequestToken, in.digest[:], s.now())
	return false, err
}

// transact runs all actions, or cancels with what became of each.
func (d *database) transact(actions []*action) error {
	reasons := make([]cancellationReason, len(actions))
	size := 0
	for i, a := range actions {
		var err error
		if reasons[i], err = reasonOf(a.run(d)); err != nil {
			return err
		}
		size += max(itemSize(a.old), itemSize(a.new))
	}
	if err := errCancelled(reasons); err != nil {
		return err
	}
	if size > maxTransactionBytes {
		return invalid("Collection size of items in the transaction exceeded maximum limit of 4 MB")
	}
	return nil
}

// reasonOf is what became of one item; err is left when the storage failed.
func reasonOf(err error) (cancellationReason, error) {
	var refusal *apiError
	switch {
	case err == nil:
		return cancellationReason{Code: "None"}, nil
	case !errors.As(err, &refusal):
		return cancellationReason{}, err
	case refusal.is("ConditionalCheckFailedException"):
		return cancellationReason{"ConditionalCheckFailed", refusal.message, refusal.item}, nil
	}
	return cancellationReason{"ValidationError", refusal.message, nil}, nil
}

// errCancelled is nil when nothing is against the transaction.
func errCancelled(reasons []cancellationReason) error {
	codes := make([]string, len(reasons))
	cancelled := false
	for i, r := range reasons {
		codes[i] = r.Code
		cancelled = cancelled || r.Code != "None"
	}
	if !cancelled {
		return nil
	}
	e := modelled("TransactionCanceledException", "Transaction cancelled, please refer cancellation reasons for specific reasons [%s]", strings.Join(codes, ", "))
	e.reasons = reasons
	return e
}

type transactGetItemsInput struct {
	TransactItems          []struct{ Get *getItemInput }
	ReturnConsumedCapacity string
}

type transactGetItemsOutput struct {
	Responses        []itemResponse
	ConsumedCapacity []*capacity `json:",omitempty"`
}

type itemResponse struct {
	Item *item `json:",omitempty"`
}

func (s *Server) transactGetItems(_ context.Context, in *transactGetItemsInput) (*transactGetItemsOutput, error) {
	if err := checkTransaction(len(in.TransactItems)); err != nil {
		return nil, err
	}
	if err := checkCapacityWord(in.ReturnConsumedCapacity); err != nil {
		return nil, err
	}
	var readings []*reading
	seen := itemSet{}
	for i, each := range in.TransactItems {
		if each.Get == nil {
			return nil, invalid("TransactItems member %d has no Get", i+1)
		}
		r, err := s.prepareGet(each.Get)
		if err != nil {
			return nil, err
		}
		if seen.again(r.table, r.key) {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		readings = append(readings, r)
	}
	out := &transactGetItemsOutput{Responses: make([]itemResponse, len(readings))}
	spent := map[*table]*cost{}
	size := 0
	err := s.db.Alone(func() error {
		reasons := make([]cancellationReason, len(readings))
		for i, r := range readings {
			shown, n, err := r.run(s.db)
			if reasons[i], err = reasonOf(err); err != nil {
				return err
			}
			if shown != nil {
				out.Responses[i].Item = &shown
			}
			if spent[r.table] == nil {
				spent[r.table] = &cost{}
			}
			spent[r.table].add(readCost(nil, n, true).times(2))
			size += n
		}
		return errCancelled(reasons)
	})
	if err != nil {
		return nil, err
	}
	if size > maxTransactionBytes {
		return nil, invalid("Collection size of items in the transaction exceeded maximum limit of 4 MB")
	}
	for t, c := range spent {
		if shown := c.shown(in.ReturnConsumedCapacity, t); shown != nil {
			shown.transacted(false)
			out.ConsumedCapacity = append(out.ConsumedCapacity, shown)
		}
	}
	return out, nil
}
