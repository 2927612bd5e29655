package storage

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// copySideBySide is how many parts of one copy the server works on at a time.
const copySideBySide = 4

// Copy lets the server copy, up to copyPart bytes (256 MiB) in one request and more in parts of that size: S3 copies at
// most 5 GiB at once, and a request that takes minutes looks like a broken one. All parts are of the version that was
// there at the start, else ErrChanged.
func (s *s3Store) Copy(ctx context.Context, from, to string) error {
	if err := errors.Join(keyError("copy", from, unreadableKey(from)), keyError("copy", to, badKey(to))); err != nil {
		return err
	}
	head, err := s.head(ctx, "copy", from)
	if err != nil || from == to {
		return err
	}
	if aws.ToInt64(head.ContentLength) <= s.copyPart {
		_, err := s.copyOne(ctx, s, from, to, head.ETag)
		return err
	}
	return s.copyParts(ctx, s, from, to, head)
}

// CopyTold is Copy in one request, where that is allowed.
func (s *s3Store) CopyTold(ctx context.Context, from Object, to string) (sum string, err error) {
	if from.Key == to || unreadableKey(from.Key) != "" || badKey(to) != "" {
		return "", s.Copy(ctx, from.Key, to)
	}
	return s.copyTold(ctx, s, from, to)
}

// copyTold copies from a location of this server, its own or another one.
func (s *s3Store) copyTold(ctx context.Context, source *s3Store, from Object, to string) (sum string, err error) {
	if from.Size <= s.copyPart {
		return s.copyOne(ctx, source, from.Key, to, nil)
	}
	head, err := source.head(ctx, "copy", from.Key)
	if err != nil {
		return "", err
	}
	return "", s.copyParts(ctx, source, from.Key, to, head)
}

// copyOne copies the version of that ETag; nil: any.
func (s *s3Store) copyOne(ctx context.Context, source *s3Store, from, to string, etag *string) (sum string, err error) {
	answer, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: &s.bucket, Key: s.name(to), CopySource: source.copySource(from), CopySourceIfMatch: etag,
	})
	if err != nil {
		return "", s.copyError(ctx, from, err)
	}
	if answer.CopyObjectResult == nil {
		return "", nil
	}
	return contentMD5(answer.CopyObjectResult.ETag), nil
}

// copyParts names no checksum algorithm: versitygw and MinIO refuse it for copied parts (storage-facts §1.3 b).
func (s *s3Store) copyParts(ctx context.Context, source *s3Store, from, to string, head *s3.HeadObjectOutput) error {
	mark := rand.Text()
	input := &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: s.name(to), Metadata: map[string]string{markName: mark}}
	return s.multipart(ctx, "copy", to, mark, input, Overwrite, func(ctx context.Context, id *string) ([]types.CompletedPart, error) {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		size := aws.ToInt64(head.ContentLength)
		partSize := partSizeFor(size, s.copyPart)
		done := make([]types.CompletedPart, (size+partSize-1)/partSize)
		slots := make(chan struct{}, copySideBySide)
		var copying sync.WaitGroup
		for i := range done {
			slots <- struct{}{}
			copying.Go(func() {
				defer func() { <-slots }()
				first := int64(i) * partSize
				part, err := s.copyRange(ctx, source, from, to, id, head.ETag, int32(i+1), first, min(first+partSize, size)-1)
				if err != nil {
					cancel(err)
					return
				}
				done[i] = part
			})
		}
		copying.Wait()
		if ctx.Err() != nil {
			return nil, cause(ctx, "copy", to)
		}
		return done, nil
	})
}

func (s *s3Store) copyRange(ctx context.Context, source *s3Store, from, to string, id, etag *string, number int32, first, last int64) (types.CompletedPart, error) {
	if ctx.Err() != nil {
		return types.CompletedPart{}, cause(ctx, "copy", from)
	}
	answer, err := s.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{
		Bucket: &s.bucket, Key: s.name(to), UploadId: id, PartNumber: &number,
		CopySource: source.copySource(from), CopySourceIfMatch: etag, CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", first, last)),
	})
	if err != nil {
		return types.CompletedPart{}, s.copyError(ctx, from, err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: answer.CopyPartResult.ETag}, nil
}

func (s *s3Store) copyError(ctx context.Context, from string, err error) error {
	if isConflict(err) {
		return &Error{Op: "copy", Key: from, Kind: ErrChanged, Err: &scrubbed{err, s.scrub}}
	}
	return s.fail(ctx, "copy", from, err)
}

// copySource is "bucket/key" with every byte escaped that a server could read as something else; the SDK sends it as
// it is, and a plain '+' would become a blank.
func (s *s3Store) copySource(key string) *string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/"
	var escaped []byte
	for _, c := range []byte(s.bucket + "/" + s.prefix + key) {
		if strings.IndexByte(plain, c) >= 0 {
			escaped = append(escaped, c)
		} else {
			escaped = fmt.Appendf(escaped, "%%%02X", c)
		}
	}
	return aws.String(string(escaped))
}
