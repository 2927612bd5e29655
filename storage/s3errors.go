package storage

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// fail makes the Error of a failed request. When the context ended, that is the reason.
func (s *s3Store) fail(ctx context.Context, op, key string, err error) error {
	if ctx.Err() != nil {
		return &Error{Op: op, Key: key, Err: ctx.Err()}
	}
	return &Error{Op: op, Key: key, Kind: s3Kind(err), Err: &scrubbed{err, s.scrub}}
}

// scrubbed is an error of the SDK, shortened, whose text shows no secret, should a server ever echo one.
type scrubbed struct {
	err   error
	scrub *strings.Replacer
}

func (e *scrubbed) Unwrap() error { return e.err }

// Error gives the operation, status, code and the server's own words, and the request id that its operator will ask for.
func (e *scrubbed) Error() string {
	var operation *smithy.OperationError
	var answer *awshttp.ResponseError
	var api smithy.APIError
	if !errors.As(e.err, &operation) || !errors.As(e.err, &answer) || !errors.As(e.err, &api) {
		return e.scrub.Replace(e.err.Error())
	}
	text := fmt.Sprintf("%s: HTTP %d %s", operation.Operation(), answer.HTTPStatusCode(), api.ErrorCode())
	if api.ErrorMessage() != "" {
		text += ": " + api.ErrorMessage()
	}
	if id := answer.ServiceRequestID(); id != "" {
		text += " (request " + id + ")"
	}
	return e.scrub.Replace(text)
}

func newScrubber(c S3) *strings.Replacer {
	var pairs []string
	for _, secret := range []string{c.SecretKey, c.SessionToken} {
		if secret != "" {
			pairs = append(pairs, secret, "***")
		}
	}
	return strings.NewReplacer(pairs...)
}

// s3Kind classifies an error of the SDK; nil means that none of the sentinels fits.
func s3Kind(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		if kind := kindOfCode(api.ErrorCode()); kind != nil {
			return kind
		}
	}
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.HTTPStatusCode() != 0 {
		return kindOfStatus(answer.HTTPStatusCode())
	}
	if strings.Contains(err.Error(), "get credentials") {
		return ErrDenied // none in the environment, or the service that hands them out refuses
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
	case status == http.StatusRequestedRangeNotSatisfiable:
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
	case "AccessDenied", "Forbidden", "SignatureDoesNotMatch", "InvalidAccessKeyId", "XAdminUserNotFound", "InvalidToken",
		"InvalidTokenId", "ExpiredToken", "TokenRefreshRequired", "RequestTimeTooSkewed", "AccountProblem",
		"AllAccessDisabled", "AuthorizationHeaderMalformed":
		return ErrDenied
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling", "ThrottlingException", "RequestLimitExceeded",
		"TooManyRequests", "TooManyRequestsException", "RequestThrottled", "BandwidthLimitExceeded":
		return ErrThrottled
	case "InternalError", "ServiceUnavailable", "RequestTimeout", "BadDigest", "XAmzContentChecksumMismatch",
		"IncompleteBody", "ConditionalRequestConflict", "OperationAborted", "NoSuchUpload":
		return ErrUnavailable
	case "InvalidRange", "KeyTooLongError", "ObjectParentIsFile", "ExistingObjectIsDirectory", "DirectoryObjectContainsData",
		"XMinioInvalidObjectName", "XMinioInvalidResourceName", "EntityTooLarge", "InvalidBucketName", "PermanentRedirect", "MovedPermanently":
		return ErrInvalid
	}
	return nil
}

// isCode tells whether the server's answer was one of the codes.
func isCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}
