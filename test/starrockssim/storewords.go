package starrockssim

import (
	"errors"
	"fmt"
	"strings"

	"starkeep/storage"
)

// said is what the store said, without what the Store adds to it: its own names for kinds of errors, and advice.
func said(err error) string {
	var e *storage.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	text, _, _ := strings.Cut(e.Err.Error(), "; ")
	text, _, _ = strings.Cut(text, " (HDFS user")
	return text
}

// statusWords is how hadoop reports that it could not look at a path (recording 01).
func (r *repository) statusWords(key string, err error) string {
	path := r.path(key)
	const s3 = "software.amazon.awssdk.services.s3.model."
	refused := func(what string, status int, code string) string {
		return fmt.Sprintf("Fail to get file status: %s: getFileStatus on %s: %sS3Exception: %s (Service: S3, Status Code: %d, Request ID: 0, Extended Request ID: 0):%s", path, path, s3, what, status, code)
	}
	switch {
	case r.renames() || strings.HasPrefix(r.location, "file:"):
		return fmt.Sprintf("Fail to get file status: %s: %s", path, said(err))
	case strings.Contains(err.Error(), "AuthorizationHeaderMalformed"): // the answer to a HEAD says no more
		return refused("Bad Request", 400, "null")
	case errors.Is(err, storage.ErrDenied) && strings.Contains(err.Error(), "AccessDenied"):
		return refused("Access Denied.", 403, "AccessDenied")
	case errors.Is(err, storage.ErrDenied):
		return refused("Forbidden", 403, "null")
	case errors.Is(err, storage.ErrNoBucket):
		const missing = "The specified bucket does not exist. (Service: S3, Status Code: 404, Request ID: 0, Extended Request ID: 0)"
		return fmt.Sprintf("Fail to get file status: `%s': getFileStatus on %s: %sNoSuchBucketException: %s:NoSuchBucket: %s", path, path, s3, missing, missing)
	}
	return fmt.Sprintf("Fail to get file status: getFileStatus on %s: software.amazon.awssdk.core.exception.SdkClientException: %s", path, said(err))
}
