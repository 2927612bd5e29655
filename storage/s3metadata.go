package storage

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/smithy-go/logging"
)

const (
	metadataDial     = time.Second // the service is on the machine itself
	metadataAnswer   = 2 * time.Second
	metadataAttempts = 4 // of each of the three requests, within the SDK's five seconds
)

// metadataKeys asks the instance metadata service for the keys of the machine's role, by IMDSv2 alone and never through a
// proxy. Its limits are wider than the SDK's, whose half second a busy machine misses.
type metadataKeys struct {
	*ec2rolecreds.Provider
	seen *lastAnswer
}

func newMetadataKeys() *metadataKeys {
	seen := &lastAnswer{transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: metadataDial}).DialContext,
		ResponseHeaderTimeout: metadataAnswer,
		DisableKeepAlives:     true, // three requests an hour
	}}
	service := imds.New(imds.Options{
		EnableFallback: aws.FalseTernary,
		HTTPClient:     &http.Client{Transport: seen, CheckRedirect: stayHere},
		Logger:         logging.Nop{},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.Backoff = metadataAttempts, retry.BackoffDelayerFunc(pause)
		}),
		DisableDefaultMaxBackoff: true,
	})
	return &metadataKeys{Provider: ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = service }), seen: seen}
}

// stayHere takes a redirection for the answer: no request goes to another server than the one it is signed or meant for.
func stayHere(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Retrieve gives the keys, or says what the service last answered: the SDK's errors for a failed token hide it.
func (m *metadataKeys) Retrieve(ctx context.Context) (aws.Credentials, error) {
	keys, err := m.Provider.Retrieve(ctx)
	if err == nil {
		return keys, nil
	}
	if failure := m.seen.failure(); failure != nil {
		return keys, failure
	}
	return keys, err
}

// lastAnswer remembers how the last request failed.
type lastAnswer struct {
	transport http.RoundTripper
	mu        sync.Mutex
	err       error
}

// RoundTrip passes the request on.
func (l *lastAnswer) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.transport.RoundTrip(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.err = &url.Error{Op: r.Method, URL: r.URL.String(), Err: err}
	case answer.StatusCode >= http.StatusMultipleChoices:
		l.err = &metadataStatus{request: r.Method + " " + r.URL.Path, status: answer.StatusCode}
	default:
		l.err = nil
	}
	return answer, err
}

func (l *lastAnswer) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// metadataStatus is a request that the metadata service refused.
type metadataStatus struct {
	request string
	status  int
}

func (e *metadataStatus) Error() string {
	return fmt.Sprintf("metadata service: %s: HTTP %d", e.request, e.status)
}

// HTTPStatusCode is the status of the answer.
func (e *metadataStatus) HTTPStatusCode() int { return e.status }
