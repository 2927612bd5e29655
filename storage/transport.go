package storage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// How long the HTTP providers (S3, GCS) wait for a server that says nothing. The request then counts as failed and is
// repeated, requestAttempts in all; so every operation ends also without a deadline in its context.
const (
	dialTimeout   = 10 * time.Second // for TCP, and again for TLS
	answerTimeout = time.Minute      // from the end of a request to the beginning of its answer
	workTimeout   = 5 * time.Minute  // the same where the server works meanwhile: it completes an upload, copies, deletes many
	// From a request's header to the word that its body is wanted, which large uploads ask for, so that a refusal is read
	// before the connection breaks under bytes that nobody takes. Then the body is sent all the same.
	continueTimeout = time.Second

	stallTimeout = time.Minute // without a byte taken of a request, or given of an answer's body
)

// transport is HTTP that gives up on a silent server.
type transport struct {
	quick *http.Transport
	works *http.Transport // for requests that the server works on
	stall time.Duration
}

// newTransport trusts the certificates of a PEM file, if one is named, besides the system's.
func newTransport(caFile string) (*transport, error) {
	trusted, err := trustedCAs(caFile)
	if err != nil {
		return nil, err
	}
	t := &transport{stall: stallTimeout}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}
	t.quick = &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &stallConn{conn, t.stall}, nil
		},
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted},
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: answerTimeout,
		ExpectContinueTimeout: continueTimeout,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // bodies are stored bytes
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
	}
	t.works = t.quick.Clone()
	t.works.ResponseHeaderTimeout = workTimeout
	return t, nil
}

// trustedCAs is nil, for the system's, where no file is named.
func trustedCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, openError("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, openError("CA file %s holds no PEM certificate", file)
	}
	return pool, nil
}

// RoundTrip makes one request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	pool := t.quick
	if isWork(r) {
		pool = t.works
	}
	ctx, cancel := context.WithCancel(r.Context())
	answer, err := pool.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, asSilence(r.Context(), err)
	}
	answer.Body = &stallBody{ReadCloser: answer.Body, request: r.Context(), stop: cancel, stall: t.stall}
	return answer, nil
}

// silence is a time-out of ours. It is a net.Error and hides what is in it: the net package's time-outs call themselves
// context.DeadlineExceeded, and would be taken for the end of the caller's context.
type silence struct{ err error }

func (s *silence) Error() string   { return s.err.Error() }
func (s *silence) Timeout() bool   { return true }
func (s *silence) Temporary() bool { return true }

func asSilence(ctx context.Context, err error) error {
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		return &silence{err}
	}
	return err
}

// isBrokenOff tells whether an answer ended in its middle, which the SDK takes for one that cannot be read.
func isBrokenOff(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// isWork tells whether the server does more than to take or give bytes. S3 and GCS have POST for that; GCS for uploads too.
func isWork(r *http.Request) bool {
	return r.Header.Get("X-Amz-Copy-Source") != "" || r.Method == http.MethodPost && !strings.HasPrefix(r.URL.Path, "/upload/")
}

// CloseIdleConnections is what http.Client looks for.
func (t *transport) CloseIdleConnections() {
	t.quick.CloseIdleConnections()
	t.works.CloseIdleConnections()
}

// stallConn breaks a connection whose peer takes no bytes any more.
type stallConn struct {
	net.Conn
	stall time.Duration
}

func (c *stallConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// stallBody breaks an answer off whose bytes do not come any more.
type stallBody struct {
	io.ReadCloser
	request context.Context
	stop    context.CancelFunc
	stall   time.Duration
}

func (b *stallBody) Read(p []byte) (int, error) {
	watchdog := time.AfterFunc(b.stall, b.stop)
	n, err := b.ReadCloser.Read(p)
	if stalled := !watchdog.Stop(); stalled && err != nil && b.request.Err() == nil {
		err = &silence{fmt.Errorf("no byte came for %v", b.stall)}
	}
	return n, err
}

func (b *stallBody) Close() error {
	defer b.stop()
	return b.ReadCloser.Close()
}
