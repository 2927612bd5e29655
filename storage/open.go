package storage

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

// Config names a location and how to reach it.
type Config struct {
	// Location is "s3://bucket/prefix", "s3a://bucket/prefix" (the same), "gs://bucket/prefix", "hdfs://host:port/dir",
	// "hdfs://nameservice/dir" or "file:///directory". It does not end in '/': StarRocks joins by plain text, and
	// "location//key" is another key (starrocks-facts §4).
	Location string
	S3       S3
	GCS      GCS
	HDFS     HDFS
}

// S3 is what an S3 location needs besides its name.
type S3 struct {
	Endpoint     string // "http://host:port" or "https://…"; empty: AWS
	Region       string // empty: the default chain's, else us-east-1
	AccessKey    string // AccessKey and SecretKey both empty: InstanceProfile, else the SDK's default chain
	SecretKey    string
	SessionToken string
	// InstanceProfile takes the keys of the machine's role from the instance metadata service (IMDSv2) and from nowhere
	// else.
	InstanceProfile bool
	// Role is assumed with the credentials above; its keys are what the store is used with.
	Role      Role
	PathStyle bool   // http://host/bucket/key instead of http://bucket.host/key
	CAFile    string // PEM certificates that are trusted besides the system's
}

// Role is an IAM role that is assumed at STS. The zero value: none.
type Role struct {
	ARN         string
	ExternalID  string
	SessionName string // empty: "starkeep"
	Endpoint    string // of STS; empty: AWS's own
}

// String leaves secrets out, so that a Config can be logged by mistake.
func (c S3) String() string {
	return fmt.Sprintf("{Endpoint:%s Region:%s PathStyle:%t CAFile:%s}", c.Endpoint, c.Region, c.PathStyle, c.CAFile)
}

// GoString leaves secrets out of %#v.
func (c S3) GoString() string { return c.String() }

// Open makes the Store of a location. No object is touched and nothing is dialled: a location that does not exist shows
// as ErrNoBucket in the first operation. A Config that cannot work is ErrInvalid; the message never repeats a secret.
func Open(ctx context.Context, c Config) (Store, error) {
	scheme, rest, found := strings.Cut(c.Location, "://")
	if !found {
		return nil, openError("location has no scheme; use s3://bucket/prefix or file:///directory")
	}
	if strings.HasSuffix(rest, "/") {
		return nil, openError("location %q ends in '/'; leave the '/' out", c.Location)
	}
	switch scheme {
	case "s3", "s3a":
		return openS3(ctx, rest, c)
	case "gs":
		return openGCS(ctx, rest, c)
	case "hdfs":
		return openHDFS(ctx, rest, c)
	case "file":
		return openFile(rest)
	}
	return nil, openError("location scheme %q is not known; use s3, s3a, gs, hdfs or file", scheme)
}

// openS3 splits "bucket/prefix" and makes the client.
func openS3(ctx context.Context, rest string, c Config) (Store, error) {
	bucket, prefix, _ := strings.Cut(rest, "/")
	if bucket == "" || strings.ContainsAny(bucket, "@:?#%\\ ") {
		return nil, openError("location must begin with a plain bucket name, as in s3://bucket/prefix")
	}
	if prefix != "" {
		if reason := badKey(prefix); reason != "" {
			return nil, openError("location %q: %s", c.Location, reason)
		}
		prefix += "/"
	}
	return newS3Store(ctx, bucket, prefix, c.S3)
}

func openFile(path string) (Store, error) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return nil, openError("file location must be an absolute, clean path, as in file:///srv/backups")
	}
	return &fileStore{root: path}, nil
}

func openError(format string, args ...any) error {
	return &Error{Op: "open", Kind: ErrInvalid, Err: fmt.Errorf(format, args...)}
}
