package storage

import (
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// s3Conn opens the connections of one Get. Every one after the first asks for the first one's ETag.
type s3Conn struct {
	store *s3Store
	key   string
	etag  string // of the first connection
	begun bool
}

func (s *s3Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := keyError("get", key, unreadableKey(key)); err != nil {
		return nil, err
	}
	if err := checkRange(key, offset, length); err != nil {
		return nil, err
	}
	return newResumed(ctx, key, &s3Conn{store: s, key: key}, offset, length)
}

func (c *s3Conn) explain(ctx context.Context, err error) error {
	return c.store.fail(ctx, "get", c.key, err)
}

func (c *s3Conn) connect(ctx context.Context, from, end int64) (*connection, error) {
	input := &s3.GetObjectInput{Bucket: &c.store.bucket, Key: c.store.name(c.key)}
	header := rangeHeader(from, end)
	if header == "" {
		input.ChecksumMode = types.ChecksumModeEnabled // a range's checksum would be the whole object's
	} else {
		input.Range = &header
	}
	if c.begun {
		if c.etag == "" {
			return nil, &Error{Op: "get", Key: c.key, Kind: ErrUnavailable, Err: errors.New("cut, and the server tells no ETag to go on with")}
		}
		input.IfMatch = &c.etag
	}
	answer, err := c.store.client.GetObject(ctx, input)
	if err != nil {
		return nil, c.refused(ctx, err)
	}
	length := int64(-1)
	if answer.ContentLength != nil {
		length = *answer.ContentLength
	}
	stop, err := answeredRange(length, aws.ToString(answer.ContentRange), header != "", from)
	if err != nil {
		answer.Body.Close()
		return nil, &Error{Op: "get", Key: c.key, Kind: ErrUnavailable, Err: err}
	}
	c.store.bucketMet.Store(true)
	c.etag, c.begun = aws.ToString(answer.ETag), true
	opened := &connection{body: answer.Body, end: stop}
	if raw, ok := middleware.GetRawResponse(answer.ResultMetadata).(*smithyhttp.Response); ok && header == "" {
		opened.crc = headerCRC(raw.Header) // of Google's XML API
	}
	return opened, nil
}

func (c *s3Conn) refused(ctx context.Context, err error) error {
	if c.etag != "" && isConflict(err) {
		return &Error{Op: "get", Key: c.key, Kind: ErrChanged, Err: &scrubbed{err, c.store.scrub}}
	}
	return c.store.fail(ctx, "get", c.key, err)
}
