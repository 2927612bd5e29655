package storage_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"starkeep/storage"
	"starkeep/storage/storagetest"
)

func TestS3WorksWithAClockThatIsWrong(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	for i, ahead := range []time.Duration{20 * time.Minute, -20 * time.Minute, 48 * time.Hour} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			c := server.Config(fmt.Sprint("clock", i))
			c.S3.Endpoint = server.SkewedClock(t, ahead, false)
			brief(t, open(t, c))
		})
	}
}

// A server that does not tell its time cannot be followed; what helps is told instead.
func TestS3ClockThatIsWrongAndCannotBePutRightIsDenied(t *testing.T) {
	t.Parallel()
	server := storagetest.StartS3(t)
	write(t, open(t, server.Config("x")), "object", content(100))
	c := server.Config("x")
	c.S3.Endpoint = server.SkewedClock(t, 20*time.Minute, true)
	s := open(t, c)
	_, statErr := s.Stat(t.Context(), "object")
	_, getErr := s.Get(t.Context(), "object", 0, -1)
	var listErr error
	for _, err := range s.List(t.Context(), "") {
		listErr = err
	}
	errs := map[string]error{
		"stat": statErr, "get": getErr, "list": listErr, "delete": s.Delete(t.Context(), "object"), "copy": s.Copy(t.Context(), "object", "copy"),
		"put": storage.WriteAll(t.Context(), s, "new", nil, storage.IfAbsent), "put large": storage.WriteAll(t.Context(), s, "new", content(17*mib), storage.Overwrite),
	}
	for name, err := range errs {
		t.Run(name, func(t *testing.T) {
			want(t, err, storage.ErrDenied)
			says(t, err, "RequestTimeTooSkewed", "NTP")
		})
	}
}

func TestGCSTransfersSurviveTokensThatEndInTheirMiddle(t *testing.T) {
	t.Parallel()
	server := storagetest.StartGCS(t)
	proxy := storagetest.NewProxy(t, server.Endpoint)
	c := server.Config("x")
	c.GCS.Endpoint = proxy.Endpoint
	s := open(t, c)
	data := content(40 * mib)
	body := &turn{Reader: bytes.NewReader(data), at: 39 * mib, do: server.Tokens.Revoke} // two chunks of 16 MiB are read ahead
	if err := s.Put(t.Context(), "object", body, int64(len(data)), storage.Overwrite); err != nil {
		t.Fatal(err)
	}
	proxy.Inject(func(*http.Request) storagetest.Fault { return storagetest.Fault{Cut: 30 * mib} })
	read, err := s.Get(t.Context(), "object", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	got, err := io.ReadAll(io.TeeReader(read, &turnWriter{at: 20 * mib, do: server.Tokens.Revoke}))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes: %v", len(got), err)
	}
	if n := server.Tokens.Asked(); n != 3 {
		t.Errorf("%d tokens, want one, and one more after each end", n)
	}
}
