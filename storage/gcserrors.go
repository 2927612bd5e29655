package storage

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"cloud.google.com/go/auth"
	"google.golang.org/api/googleapi"
)

// maxWords is how much of a server's answer an error repeats.
const maxWords = 600

// fail makes the Error of a failed request. When the context ended, that is the reason.
func (s *gcsStore) fail(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return &Error{Op: op, Key: key, Err: ctx.Err()}
	}
	return &Error{Op: op, Key: key, Kind: gcsKind(err), Err: &gcsError{err}}
}

// gcsError is an error of the API, shortened, whose text shows no secret.
type gcsError struct{ err error }

func (e *gcsError) Unwrap() error { return e.err }

// Error gives status, reason and the server's own words.
func (e *gcsError) Error() string {
	var answer *googleapi.Error
	if !errors.As(e.err, &answer) {
		var request *url.Error
		if errors.As(e.err, &request) { // its text is the whole URL, and the cause
			return tidy(request.Err.Error())
		}
		return tidy(e.err.Error())
	}
	text := fmt.Sprintf("HTTP %d", answer.Code)
	if reason := reasonOf(answer); reason != "" {
		text += " " + reason
	}
	if words := wordsOf(answer); words != "" {
		text += ": " + words
	}
	return tidy(text)
}

func wordsOf(answer *googleapi.Error) string {
	if answer.Message != "" {
		return answer.Message
	}
	return answer.Body
}

// secrets are what a token server or a proxy could echo: a signed assertion, an access token, a private key.
var secrets = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*|ya29\.[\w.-]+|-----BEGIN[^-]*PRIVATE KEY-----[^-]*(-----END[^-]*-----)?`)

// tidy makes one line of a server's words.
func tidy(text string) string {
	text = strings.Join(strings.Fields(secrets.ReplaceAllString(text, "***")), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "…"
	}
	return text
}

func reasonOf(answer *googleapi.Error) string {
	if len(answer.Errors) == 0 {
		return ""
	}
	return answer.Errors[0].Reason
}

// gcsKind classifies an error of the API; nil means that none of the sentinels fits.
func gcsKind(err error) error {
	var answer *googleapi.Error
	if errors.As(err, &answer) {
		return kindOfAnswer(answer)
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return ErrInvalid // does not heal by itself: a CA file is missing or the endpoint is wrong
	}
	var refused *auth.Error
	if errors.As(err, &refused) && refused.Response != nil {
		if kind := kindOfStatus(refused.Response.StatusCode); kind == ErrThrottled || kind == ErrUnavailable {
			return kind
		}
		return ErrDenied
	}
	var token *tokenError
	if errors.As(err, &token) && !broken(token.err) {
		return ErrDenied // no credentials, or none that can be used
	}
	if broken(err) {
		return ErrUnavailable
	}
	return nil
}

// broken tells whether a connection failed. Every request that got no answer does: it ends as a *url.Error, which is a
// net.Error.
func broken(err error) bool {
	var file *fs.PathError // calls itself a net.Error too
	if errors.As(err, &file) {
		return false
	}
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}

func kindOfAnswer(answer *googleapi.Error) error {
	switch reasonOf(answer) {
	case "rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "dailyLimitExceeded": // some come with 403
		return ErrThrottled
	}
	switch {
	case answer.Code == http.StatusNotFound && strings.Contains(wordsOf(answer), "bucket does not exist"):
		return ErrNoBucket
	case answer.Code == http.StatusBadRequest && damaged(answer):
		return ErrUnavailable
	case answer.Code == http.StatusBadRequest:
		return ErrInvalid
	case answer.Code == http.StatusConflict, answer.Code == http.StatusGone: // of an upload's session
		return ErrUnavailable
	}
	return kindOfStatus(answer.Code)
}

// damaged tells whether the server found another checksum than we sent.
func damaged(answer *googleapi.Error) bool {
	return strings.Contains(wordsOf(answer), "match calculated")
}

// passing tells whether the same request may succeed soon. An upload's session that is gone stays so.
func passing(err error) bool {
	kind := gcsKind(err)
	return (kind == ErrUnavailable || kind == ErrThrottled) && !isStatus(err, http.StatusGone)
}

func isStatus(err error, status int) bool {
	var answer *googleapi.Error
	return errors.As(err, &answer) && answer.Code == status
}

// saysNoObject tells whether a 404 names the object as what is absent.
func saysNoObject(err error) bool {
	var answer *googleapi.Error
	return errors.As(err, &answer) && strings.Contains(wordsOf(answer), "No such object")
}

// hexMD5 is 32 hex digits of the API's base64, or "": composed objects have no MD5.
func hexMD5(text string) string {
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(sum) != 16 {
		return ""
	}
	return hex.EncodeToString(sum)
}
