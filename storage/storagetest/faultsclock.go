package storagetest

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	signer "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const signedAt = "20060102T150405Z"

// SkewedClock is the endpoint of the server as one whose clock is ahead of this machine's; negative is behind. It signs each
// request anew with the time that the server would have to think it was signed at. Where silent, the answers do not tell
// the server's time, as behind a front end with a clock of its own.
func (s Server) SkewedClock(t testing.TB, ahead time.Duration, silent bool) string {
	t.Helper()
	target, err := url.Parse(s.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	keys := aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.SecretKey}
	sign := signer.NewSigner(func(o *signer.SignerOptions) { o.DisableURIPathEscaping = true })
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, target.Host
			at, err := time.Parse(signedAt, r.Out.Header.Get("X-Amz-Date"))
			if err != nil {
				t.Errorf("request without a time: %v", err)
			}
			r.Out.Header.Del("Authorization")
			r.Out.Header.Del("Accept-Encoding")
			err = sign.SignHTTP(r.Out.Context(), keys, r.Out, r.Out.Header.Get("X-Amz-Content-Sha256"), "s3", s.Region, at.Add(-ahead))
			if err != nil {
				t.Error(err)
			}
		},
		ModifyResponse: func(answer *http.Response) error {
			if !silent {
				answer.Header.Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			}
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	return proxy.URL
}
