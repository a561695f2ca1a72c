package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// ErrNotRunning: no process serves the data folder.
var ErrNotRunning = errors.New("no hatchery dev is running on this folder")

// answerWithin is how long a stack on this machine is waited for.
const answerWithin = 5 * time.Second

// Running finds the stack that another process runs on a data folder: where its servers are, and how its queue is
// set. It asks the queue, so that what it gives is running; ErrNotRunning says that it is not, and what is given then
// is where a next start puts the servers. API and Containers stay empty, and App where that is the demo application.
func Running(ctx context.Context, dir string) (Endpoints, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Endpoints{}, fmt.Errorf("data folder %s: %w", dir, err)
	}
	// Not begun anew when it is missing, as a start would.
	if _, err := os.Stat(filepath.Join(dir, stateFile)); errors.Is(err, fs.ErrNotExist) {
		return Endpoints{}, fmt.Errorf("data folder %s: %w, nor has one been", dir, ErrNotRunning)
	}
	st, err := (&folder{dir: dir}).loadState()
	if err != nil {
		return Endpoints{}, err
	}
	at := st.endpoints()
	if err := at.askQueue(ctx); err != nil {
		return at, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return at, nil
}

// askQueue learns how the queue is set.
func (e *Endpoints) askQueue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	client := sqs.New(sqs.Options{Region: e.Region, BaseEndpoint: &e.SQS, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, "")})
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: aws.String(e.QueueURL),
		AttributeNames: []types.QueueAttributeName{"VisibilityTimeout", "RedrivePolicy"}})
	if _, unreachable := errors.AsType[*net.OpError](err); unreachable {
		return fmt.Errorf("%w (nothing answers on %s)", ErrNotRunning, e.SQS)
	}
	if err != nil {
		return fmt.Errorf("ask the queue on %s how it is set: %w", e.SQS, err)
	}
	seconds, err := strconv.Atoi(out.Attributes["VisibilityTimeout"])
	if err != nil {
		return fmt.Errorf("the queue's visibility timeout: %w", err)
	}
	var redrive struct {
		MaxReceives json.Number `json:"maxReceiveCount"` // a number, or one as text
	}
	if err := json.Unmarshal([]byte(out.Attributes["RedrivePolicy"]), &redrive); err != nil {
		return fmt.Errorf("the queue's redrive policy: %w", err)
	}
	if e.MaxReceives, err = strconv.Atoi(redrive.MaxReceives.String()); err != nil {
		return fmt.Errorf("the queue's redrive policy: %w", err)
	}
	e.Visibility = time.Duration(seconds) * time.Second
	return nil
}
