package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// fail makes the Error of a failed request. When the context ended, that is the reason.
func (s *s3Store) fail(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return &Error{Op: op, Key: key, Err: ctx.Err()}
	}
	failed := &Error{Op: op, Key: key, Kind: s3Kind(err), Err: &scrubbed{err, s.scrub}}
	if hidesVersions(err) {
		failed.Err = fmt.Errorf("%w: %w", ErrHidden, failed.Err)
	}
	if fix := s.advice(codeOf(err), operationOf(err), err.Error()); fix != "" && !isKeysError(err) {
		failed.Err = &advised{failed.Err, fix}
	}
	return failed
}

// hidesVersions tells whether the object is absent because its newest version is the mark that a deletion leaves in a bucket
// with versions.
func hidesVersions(err error) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound && answer.Response.Header.Get("x-amz-delete-marker") == "true"
}

// scrubbed is an error of the SDK, shortened, whose text shows no secret, should a server ever echo one.
type scrubbed struct {
	err   error
	scrub *scrubber
}

func (e *scrubbed) Unwrap() error { return e.err }

func (e *scrubbed) Error() string {
	var keys *keysError
	if errors.As(e.err, &keys) { // all words around it are the SDK's
		return e.scrub.Replace(keys.Error())
	}
	return e.scrub.Replace(shortText(e.err))
}

// shortText gives the operation, status, code and the server's own words, and the request id that its operator will ask for.
func shortText(err error) string {
	var operation *smithy.OperationError
	var answer *smithyhttp.ResponseError
	var api smithy.APIError
	var send *smithyhttp.RequestSendError
	if errors.As(err, &operation) && errors.As(err, &send) {
		return operation.Operation() + ": " + send.Err.Error()
	}
	if !errors.As(err, &operation) || !errors.As(err, &answer) || !errors.As(err, &api) {
		return err.Error()
	}
	text := fmt.Sprintf("%s: HTTP %d %s", operation.Operation(), answer.HTTPStatusCode(), api.ErrorCode())
	if api.ErrorMessage() != "" {
		text += ": " + api.ErrorMessage()
	}
	var named interface{ ServiceRequestID() string }
	if errors.As(err, &named) && named.ServiceRequestID() != "" {
		text += " (request " + named.ServiceRequestID() + ")"
	}
	return text
}

// scrubber takes secrets out of texts: those of the settings, and those that came while the store was used.
type scrubber struct {
	mu      sync.Mutex
	secrets []string
}

// knownSecrets bounds a scrubber: a secret of a role is of no use an hour later.
const knownSecrets = 32

func newScrubber(c S3) *scrubber {
	s := &scrubber{}
	s.hide(c.SecretKey, c.SessionToken)
	return s
}

func (s *scrubber) hide(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(s.secrets, secret) {
			s.secrets = append(s.secrets, secret)
		}
	}
	s.secrets = s.secrets[max(0, len(s.secrets)-knownSecrets):]
}

// Replace puts "***" in the place of every secret.
func (s *scrubber) Replace(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}

// s3Kind classifies an error of the SDK; nil means that none of the sentinels fits.
func s3Kind(err error) error {
	var keys *keysError
	if errors.As(err, &keys) {
		return keys.kind()
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if kind := kindOfCode(api.ErrorCode()); kind != nil {
			return kind
		}
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
		if kind := kindOfStatus(answer.HTTPStatusCode()); kind != nil {
			return kind
		}
	}
	if strings.Contains(err.Error(), "checksum did not match") {
		return ErrUnavailable // damaged on the way, as far as can be known; the SDK's type is internal
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return ErrInvalid // does not heal by itself: a CA file is missing or the endpoint is wrong
	}
	var network net.Error
	var send *smithyhttp.RequestSendError
	if errors.As(err, &network) || errors.As(err, &send) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return ErrUnavailable
	}
	return nil
}

func kindOfStatus(status int) error {
	switch {
	case status == http.StatusNotFound:
		return ErrNotFound
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ErrDenied
	case status == http.StatusTooManyRequests:
		return ErrThrottled
	case status == http.StatusRequestTimeout, status >= 500, status == http.StatusOK: // 200 with an answer that cannot be read
		return ErrUnavailable
	case status == http.StatusRequestedRangeNotSatisfiable, status == http.StatusMovedPermanently, status == http.StatusTemporaryRedirect:
		return ErrInvalid
	}
	return nil
}

// kindOfCode knows the codes of AWS, versitygw and MinIO (storage-servers §2). nil: the HTTP status decides.
func kindOfCode(code string) error {
	switch code {
	case "NoSuchKey", "NotFound":
		return ErrNotFound
	case "NoSuchBucket":
		return ErrNoBucket
	case "AccessDenied", "Forbidden", "SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidClientTokenId", "XAdminUserNotFound",
		"InvalidToken", "InvalidTokenId", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestTimeTooSkewed",
		"RequestExpired", "AccountProblem", "AllAccessDisabled", "AuthorizationHeaderMalformed":
		return ErrDenied
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded",
		"TooManyRequests", "TooManyRequestsException", "RequestThrottled", "BandwidthLimitExceeded":
		return ErrThrottled
	case "InternalError", "ServiceUnavailable", "RequestTimeout", "BadDigest", "XAmzContentChecksumMismatch",
		"IncompleteBody", "ConditionalRequestConflict", "OperationAborted", "NoSuchUpload":
		return ErrUnavailable
	case "InvalidRange", "KeyTooLongError", "ObjectParentIsFile", "ExistingObjectIsDirectory", "DirectoryObjectContainsData",
		"XMinioInvalidObjectName", "XMinioInvalidResourceName", "EntityTooLarge", "InvalidBucketName",
		"PermanentRedirect", "TemporaryRedirect", "MovedPermanently", "IllegalLocationConstraintException":
		return ErrInvalid
	}
	return nil
}

// isCode tells whether the server's answer was one of the codes.
func isCode(err error, codes ...string) bool {
	code := codeOf(err)
	return code != "" && slices.Contains(codes, code)
}

// isConflict tells whether the server found that a precondition does not hold. The status says so too, where the answer
// broke off before its code.
func isConflict(err error) bool {
	var answer *smithyhttp.ResponseError
	return isCode(err, "PreconditionFailed") || errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusPreconditionFailed
}

// codeOf is the server's error code; "" if it gave none.
func codeOf(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	return api.ErrorCode()
}

// operationOf is the name of the SDK's operation that failed, as in "PutObject".
func operationOf(err error) string {
	var operation *smithy.OperationError
	if !errors.As(err, &operation) {
		return ""
	}
	return operation.Operation()
}

func isKeysError(err error) bool {
	var keys *keysError
	return errors.As(err, &keys)
}
