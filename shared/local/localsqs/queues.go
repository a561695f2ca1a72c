package localsqs

import (
	"context"
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// byURL finds the queue that a QueueUrl names. The host is not looked at: this machine goes by several names, and the
// request came here.
func (s *Server) byURL(address string) (*queue, error) {
	if address == "" {
		return nil, errMissingParameter("QueueUrl")
	}
	var name string
	u, err := url.Parse(address)
	ok := err == nil
	if ok {
		name, ok = strings.CutPrefix(u.Path, "/"+accountID+"/")
	}
	if !ok || strings.Contains(name, "/") {
		return nil, plain("InvalidAddress", "The address %.200q is not valid for this endpoint.", address)
	}
	return s.lookup(name)
}

// url is the queue's URL for the caller: on the host that it used to come here.
func (r *request) url(q *queue) string { return "http://" + r.host + "/" + accountID + "/" + q.name }

type queueURLOutput struct {
	QueueURL string `json:"QueueUrl"`
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
	Tags       map[string]string `json:"tags"`
}

// createQueue answers with the URL of an existing queue only if no given attribute differs, as in SQS.
func (s *Server) createQueue(_ context.Context, r *request, in *createQueueInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, errMissingParameter("QueueName")
	}
	if len(in.Tags) > 0 {
		return nil, modelled("UnsupportedOperation", "Queue tags are not supported by this endpoint.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[in.QueueName]
	if q == nil {
		var err error
		if q, err = s.makeQueue(in.QueueName, in.Attributes); err != nil {
			return nil, err
		}
		return &queueURLOutput{r.url(q)}, nil
	}
	if _, err := parseSettings(in.Attributes); err != nil {
		return nil, err
	}
	has := q.settings.Load()
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if has.attribute(name) != in.Attributes[name] {
			return nil, errQueueNameExists(name)
		}
	}
	return &queueURLOutput{r.url(q)}, nil
}

type getQueueURLInput struct {
	QueueName              string
	QueueOwnerAWSAccountID string `json:"QueueOwnerAWSAccountId"`
}

func (s *Server) getQueueURL(_ context.Context, r *request, in *getQueueURLInput) (*queueURLOutput, error) {
	if in.QueueName == "" {
		return nil, errMissingParameter("QueueName")
	}
	if in.QueueOwnerAWSAccountID != "" && in.QueueOwnerAWSAccountID != accountID {
		return nil, errQueueDoesNotExist()
	}
	q, err := s.lookup(in.QueueName)
	if err != nil {
		return nil, err
	}
	return &queueURLOutput{r.url(q)}, nil
}

type listInput struct {
	queueInput
	QueueNamePrefix string
	MaxResults      *int64
	NextToken       string
}

type listQueuesOutput struct {
	QueueURLs []string `json:"QueueUrls,omitempty"`
	NextToken string   `json:",omitempty"`
}

func (s *Server) listQueues(_ context.Context, r *request, in *listInput) (*listQueuesOutput, error) {
	s.mu.RLock()
	var found []*queue
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if strings.HasPrefix(name, in.QueueNamePrefix) {
			found = append(found, s.queues[name])
		}
	}
	s.mu.RUnlock()
	urls, token, err := page(r, found, in)
	return &listQueuesOutput{urls, token}, err
}

// page cuts a list of queues, sorted by name, to what the request asked for. The token is the last name shown.
func page(r *request, queues []*queue, in *listInput) (urls []string, token string, err error) {
	after, err := base64.RawURLEncoding.DecodeString(in.NextToken)
	if err != nil {
		return nil, "", errInvalidParameter("The NextToken is not valid.")
	}
	limit, err := bounded("MaxResults", in.MaxResults, 1000, 1, 1000)
	if err != nil {
		return nil, "", err
	}
	for _, q := range queues {
		if q.name <= string(after) {
			continue
		}
		if int64(len(urls)) == limit {
			return urls, token, nil
		}
		urls = append(urls, r.url(q))
		// SQS gives a token only when the caller set a page size.
		if in.MaxResults != nil {
			token = base64.RawURLEncoding.EncodeToString([]byte(q.name))
		}
	}
	return urls, "", nil
}

type listSourcesOutput struct {
	QueueURLs []string `json:"queueUrls"` // this one member is in lower case in the API model
	NextToken string   `json:",omitempty"`
}

func (s *Server) listDeadLetterSourceQueues(_ context.Context, r *request, in *listInput) (
	*listSourcesOutput, error) {
	urls, token, err := page(r, s.sources(r.queue), in)
	return &listSourcesOutput{append([]string{}, urls...), token}, err
}

// deleteQueue removes the queue with its messages. Receives that wait on it end.
func (s *Server) deleteQueue(_ context.Context, r *request, _ *queueInput) (*struct{}, error) {
	q := r.queue
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queues[q.name] != q {
		return nil, errQueueDoesNotExist()
	}
	if _, err := s.db.exec(`DELETE FROM queue WHERE id = ?`, q.id); err != nil {
		return nil, err
	}
	now := s.now()
	maps.DeleteFunc(s.deleted, func(_ string, at int64) bool { return now >= at+recreateAfter.Milliseconds() })
	s.deleted[q.name] = now
	delete(s.queues, q.name)
	close(q.gone)
	return &struct{}{}, nil
}

func (s *Server) purgeQueue(_ context.Context, r *request, _ *queueInput) (*struct{}, error) {
	q := r.queue
	now, last := s.now(), q.purged.Load()
	if last != 0 && now < last+purgeAgain.Milliseconds() || !q.purged.CompareAndSwap(last, now) {
		return nil, modelled("PurgeQueueInProgress",
			"Only one PurgeQueue operation on %s is allowed every 60 seconds.", q.name)
	}
	_, err := s.db.exec(`DELETE FROM message WHERE queue = ?`, q.id)
	return &struct{}{}, err
}

type getAttributesInput struct {
	queueInput
	AttributeNames []string
}

type getAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (s *Server) getQueueAttributes(_ context.Context, r *request, in *getAttributesInput) (
	*getAttributesOutput, error) {
	values, err := s.measured(r.queue)
	if err != nil {
		return nil, err
	}
	set := r.queue.settings.Load()
	for _, name := range settingNames {
		values[name] = set.attribute(name)
	}
	out := &getAttributesOutput{Attributes: map[string]string{}}
	for _, name := range in.AttributeNames {
		value, known := values[name]
		switch {
		case name == "All":
			maps.Copy(out.Attributes, values)
		case !known && !slices.Contains(unsupported, name):
			return nil, plain("InvalidAttributeName", "Unknown Attribute %.100q.", name)
		default:
			out.Attributes[name] = value
		}
	}
	// An attribute that is not set is not shown.
	maps.DeleteFunc(out.Attributes, func(_, v string) bool { return v == "" })
	return out, nil
}

// measured are the attributes that nobody sets.
func (s *Server) measured(q *queue) (map[string]string, error) {
	now := s.now()
	var visible, inFlight, delayed int64
	err := s.db.alone(func(c *connection) error {
		return c.row(`SELECT count(*) FILTER (WHERE due <= ?2), count(*) FILTER (WHERE due > ?2 AND received IS NOT NULL),
			count(*) FILTER (WHERE due > ?2 AND received IS NULL) FROM message WHERE queue = ?1 AND sent > ?3`,
			[]any{q.id, now, q.cutoff(now)}, &visible, &inFlight, &delayed)
	})
	if err != nil {
		return nil, err
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return map[string]string{
		"QueueArn":                              q.arn,
		"CreatedTimestamp":                      number(q.created / 1000),
		"LastModifiedTimestamp":                 number(q.modified.Load() / 1000),
		"ApproximateNumberOfMessages":           number(visible),
		"ApproximateNumberOfMessagesNotVisible": number(inFlight),
		"ApproximateNumberOfMessagesDelayed":    number(delayed),
	}, nil
}

type setAttributesInput struct {
	queueInput
	Attributes map[string]string
}

func (s *Server) setQueueAttributes(_ context.Context, r *request, in *setAttributesInput) (*struct{}, error) {
	if len(in.Attributes) == 0 {
		return nil, errMissingParameter("Attributes")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return &struct{}{}, s.changeQueue(r.queue, in.Attributes)
}
