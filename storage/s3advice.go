package storage

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// refusedKeys are the codes of AWS and MinIO for keys that were good once: new ones may be accepted. An InvalidAccessKeyId may
// be a key that was rotated.
var refusedKeys = []string{
	"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired", "InvalidToken", "InvalidTokenId",
	"InvalidAccessKeyId", "InvalidClientTokenId", "UnrecognizedClientException",
}

const fixClock = "the clocks of this machine and of the server differ by more than 15 minutes: set this machine's (NTP)"

// advices is what to do about a server's refusal, by its code.
var advices = map[string]string{
	"SignatureDoesNotMatch":              "the secret key is not the one of this access key: correct it",
	"InvalidAccessKeyId":                 "the server does not know the access key, or it was deactivated or deleted: give a valid one",
	"InvalidClientTokenId":               "the access key is not known, or was deactivated or deleted: give a valid one",
	"XAdminUserNotFound":                 "the server does not know the access key: give a valid one",
	"ExpiredToken":                       "the session token has expired and could not be renewed: give new keys, or use a role or the instance profile, whose keys are renewed",
	"ExpiredTokenException":              "the session token has expired and could not be renewed: give new keys, or use a role or the instance profile, whose keys are renewed",
	"TokenRefreshRequired":               "the session token must be renewed: give new keys, or use a role or the instance profile, whose keys are renewed",
	"InvalidToken":                       "the session token is not one of this server or does not belong to the access key: give all three anew, or leave the token out",
	"InvalidTokenId":                     "the session token is not one of this server or does not belong to the access key: give all three anew, or leave the token out",
	"RequestTimeTooSkewed":               fixClock,
	"RequestExpired":                     fixClock,
	"IllegalLocationConstraintException": "the bucket is in another region: correct region and endpoint",
	"TemporaryRedirect":                  "the bucket is in another region, or was made a moment ago: correct region and endpoint",
}

// advice is what would help against a refusal; "" if nothing is known. said is all that the server said.
func (s *s3Store) advice(code, operation, said string) string {
	switch code {
	case "AccessDenied", "Forbidden":
		return s.neededRight(operation, said)
	case "NoSuchBucket":
		return "create bucket " + s.bucket + ", or correct the location"
	case "AuthorizationHeaderMalformed":
		if strings.Contains(strings.ToLower(said), "region") {
			return "correct the region"
		}
		return "the access key is not of the form that the server expects: correct it"
	case "PermanentRedirect", "MovedPermanently":
		return "bucket " + s.bucket + " is in another region: correct region and endpoint"
	}
	return advices[code]
}

// actions is the IAM action behind each request (docs/repositories/permissions.md). CreateMultipartUpload, UploadPart and
// CompleteMultipartUpload are all s3:PutObject.
var actions = map[string]string{
	"ListObjectsV2":           "s3:ListBucket",
	"HeadBucket":              "s3:ListBucket",
	"HeadObject":              "s3:GetObject",
	"GetObject":               "s3:GetObject",
	"PutObject":               "s3:PutObject",
	"CreateMultipartUpload":   "s3:PutObject",
	"UploadPart":              "s3:PutObject",
	"CompleteMultipartUpload": "s3:PutObject",
	"AbortMultipartUpload":    "s3:AbortMultipartUpload",
	"DeleteObjects":           "s3:DeleteObject",
	"CopyObject":              "s3:PutObject", // and s3:GetObject on the source, which HeadObject asked for just before
	"UploadPartCopy":          "s3:PutObject",
}

// googleRights is what GCS calls them; a right to replace objects is one to delete them.
var googleRights = map[string]string{
	"s3:ListBucket":           "storage.objects.list",
	"s3:GetObject":            "storage.objects.get",
	"s3:PutObject":            "storage.objects.create (with storage.objects.delete to replace, storage.multipartUploads.create for large ones)",
	"s3:AbortMultipartUpload": "storage.multipartUploads.abort",
	"s3:DeleteObject":         "storage.objects.delete",
}

var (
	namedAction = regexp.MustCompile(`\bs3:[A-Z][A-Za-z]+`)
	namedGoogle = regexp.MustCompile(`\bstorage\.[A-Za-z]+\.[a-z]+`)
)

// neededRight names the right that the server named, else the operation's.
func (s *s3Store) neededRight(operation, said string) string {
	action := actions[operation]
	if s.google {
		return s.neededGoogle(action, said)
	}
	if named := namedAction.FindString(said); named != "" {
		action = named
	}
	resource := "arn:aws:s3:::" + s.bucket
	switch {
	case action == "":
		return ""
	case !strings.HasPrefix(action, "s3:ListBucket"):
		resource += "/" + s.prefix + "*"
	case s.prefix != "":
		return fmt.Sprintf("the credentials need %s on %s for the prefix %s", action, resource, s.prefix)
	}
	return fmt.Sprintf("the credentials need %s on %s", action, resource)
}

func (s *s3Store) neededGoogle(action, said string) string {
	right := googleRights[action]
	if named := namedGoogle.FindString(said); named != "" {
		right = named
	}
	if right == "" {
		return ""
	}
	return fmt.Sprintf("the HMAC key's account needs %s on gs://%s", right, s.bucket)
}

// advised adds what would help to an error.
type advised struct {
	err error
	fix string
}

func (e *advised) Unwrap() error { return e.err }
func (e *advised) Error() string { return e.err.Error() + "; " + e.fix }

// deleteRefused is the reason why one key of many was not deleted.
func (s *s3Store) deleteRefused(code, message string) error {
	err := errors.New(s.scrub.Replace(code + ": " + message))
	if fix := s.advice(code, "DeleteObjects", message); fix != "" {
		return &advised{err, fix}
	}
	return err
}

// refusedUnsaid tells whether a HEAD was refused for a reason that its answer does not give.
func refusedUnsaid(err error) bool {
	var answer *smithyhttp.ResponseError
	if isKeysError(err) || !errors.As(err, &answer) {
		return false
	}
	switch answer.HTTPStatusCode() {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return true
	}
	return false
}
