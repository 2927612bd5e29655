package storage

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// One Put holds little, so that many can run side by side: they share a link and CPUs better than the parts of few.
	partUnit   = 8 * mib // size of a part
	sideBySide = 2       // parts of one Put that are in memory, being read or on their way
	maxParts   = 10_000  // of one upload, S3's limit

	// markName is the metadata that tells which Put wrote an object. When the answer to a conditional request is
	// lost, the SDK asks again and is told 412; the mark then says whether the object there is our own.
	markName = "starkeep-put"

	createGrace  = time.Second
	aborts       = 3 // some servers abort what they do not know without a word
	abortPause   = 100 * time.Millisecond
	abortTimeout = 5 * time.Second // the caller may be waiting for the end of his context
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Put sends up to 16 MiB in one request, more in parts of 8 MiB (larger where 10,000 parts would not do), two at a time.
// Parts are buffered, so each request can be repeated.
func (s *s3Store) Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	if err := keyError("put", key, badKey(key)); err != nil {
		return err
	}
	if size < 0 {
		return invalid("put", key, "negative size")
	}
	if err := ctx.Err(); err != nil {
		return &Error{Op: "put", Key: key, Err: err}
	}
	exact := &exactReader{ctx: ctx, body: body, left: size}
	if size <= s.single {
		return s.putOne(ctx, key, exact, size, mode)
	}
	if mode == IfAbsent { // ask before the bytes are sent; the server decides at the end
		if _, err := s.head(ctx, "put", key); !errors.Is(err, ErrNotFound) {
			return existsOr(key, err)
		}
	}
	return s.upload(ctx, key, exact, size, mode)
}

func existsOr(key string, err error) error {
	if err != nil {
		return err
	}
	return &Error{Op: "put", Key: key, Kind: ErrExists, Err: errors.New("found before the upload")}
}

// putOne stores a small object.
func (s *s3Store) putOne(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	data := make([]byte, size)
	if err := readPart(body, data, true); err != nil {
		return bodyError("put", key, err)
	}
	input := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: s.name(key), Body: bytes.NewReader(data), ContentLength: &size, ChecksumCRC32C: checksum(data),
	}
	mark := ""
	if mode == IfAbsent {
		mark = rand.Text()
		input.IfNoneMatch = aws.String("*")
		input.Metadata = map[string]string{markName: mark}
	}
	_, err := s.client.PutObject(ctx, input)
	if err != nil {
		return s.settle(ctx, key, mark, mode, err)
	}
	s.bucketMet.Store(true)
	return nil
}

// readPart fills buffer; the last part must be followed by the body's end.
func readPart(body io.Reader, buffer []byte, last bool) error {
	if _, err := io.ReadFull(body, buffer); err != nil {
		return err
	}
	if !last {
		return nil
	}
	if _, err := body.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

func checksum(data []byte) *string { return aws.String(encodeCRC(crc32.Checksum(data, castagnoli))) }

func encodeCRC(sum uint32) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum))
}

// settle finds out what an error of the deciding request (PutObject, CompleteMultipartUpload) means, which may have been
// carried out by an attempt whose answer was lost, or refused by an answer that was lost under the bytes still being sent.
// nil: the object there is this Put's own.
func (s *s3Store) settle(ctx context.Context, key, mark string, mode Mode, err error) error {
	conflict := isConflict(err)
	if mark == "" || ctx.Err() != nil || !conflict && s3Kind(err) != ErrUnavailable {
		return s.fail(ctx, "put", key, err)
	}
	head, headErr := s.head(ctx, "put", key)
	switch {
	case headErr == nil && head.Metadata[markName] == mark:
		return nil
	case conflict && headErr != nil && !errors.Is(headErr, ErrNotFound):
		return headErr // not known who won
	case conflict, headErr == nil && mode == IfAbsent:
		return &Error{Op: "put", Key: key, Kind: ErrExists, Err: &scrubbed{err, s.scrub}}
	}
	return s.fail(ctx, "put", key, err)
}

// upload stores an object in parts.
func (s *s3Store) upload(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	mark := rand.Text()
	input := &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: s.name(key), Metadata: map[string]string{markName: mark},
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, // must be said here if parts carry it (storage-facts §1.3 a)
	}
	return s.multipart(ctx, "put", key, mark, input, mode, func(ctx context.Context, id *string) ([]types.CompletedPart, error) {
		return s.sendParts(ctx, key, id, body, size)
	})
}

// multipart creates an upload, lets parts fill it, and completes it; an upload that fails is aborted.
func (s *s3Store) multipart(ctx context.Context, op, key, mark string, input *s3.CreateMultipartUploadInput, mode Mode,
	parts func(context.Context, *string) ([]types.CompletedPart, error)) error {
	created, err := s.create(ctx, input)
	if err != nil {
		return s.fail(ctx, op, key, err)
	}
	s.bucketMet.Store(true)
	done, err := parts(ctx, created.UploadId)
	if err != nil {
		s.abort(ctx, key, created.UploadId)
		return err
	}
	complete := &s3.CompleteMultipartUploadInput{
		Bucket: &s.bucket, Key: s.name(key), UploadId: created.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done},
	}
	if mode == IfAbsent {
		complete.IfNoneMatch = aws.String("*")
	}
	if _, err = s.client.CompleteMultipartUpload(ctx, complete); err == nil {
		return nil
	}
	if err = s.settle(ctx, key, mark, mode, err); err != nil {
		s.abort(ctx, key, created.UploadId)
	}
	return err
}

// create begins an upload. It has a little longer than ctx: an upload whose id never came cannot be aborted.
func (s *s3Store) create(ctx context.Context, input *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(createGrace, cancel) })()
	return s.client.CreateMultipartUpload(longer, input)
}

// abort gives the parts' space back, also when the context has ended. It is asked for until there is no such upload: a part
// that was on its way when its request was broken off may arrive after the first. A failure changes nothing for the caller.
func (s *s3Store) abort(ctx context.Context, key string, id *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	for range aborts {
		_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: s.name(key), UploadId: id})
		if err != nil || !sleep(ctx, abortPause) {
			return
		}
	}
}

// sendParts reads the body part by part while up to sideBySide parts are on their way.
func (s *s3Store) sendParts(ctx context.Context, key string, id *string, body io.Reader, size int64) ([]types.CompletedPart, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	partSize := partSizeFor(size, s.partSize)
	done := make([]types.CompletedPart, (size+partSize-1)/partSize)
	buffers := make(chan []byte, sideBySide)
	for range sideBySide {
		buffers <- nil // made at first use
	}
	var broken error
	var sending sync.WaitGroup
	for i := range done {
		buffer, ok := next(ctx, buffers)
		if !ok {
			break
		}
		if buffer == nil {
			buffer = takeBuffer(partSize)
		}
		part := buffer[:min(partSize, size-int64(i)*partSize)]
		if err := readPart(body, part, i == len(done)-1); err != nil {
			broken = bodyError("put", key, err)
			break // what is on its way may arrive: a part that ends after the upload was aborted can stay on the server
		}
		sending.Go(func() {
			var err error
			if done[i], err = s.sendPart(ctx, key, id, int32(i+1), part); err != nil {
				cancel(err)
			}
			buffers <- buffer
		})
	}
	sending.Wait()
	if ctx.Err() != nil { // what was being sent may still be read
		return nil, cause(ctx, "put", key)
	}
	if broken != nil {
		return nil, broken
	}
	for range sideBySide {
		if buffer := <-buffers; buffer != nil {
			partBuffers.Put(&buffer)
		}
	}
	return done, nil
}

// partBuffers are used again by the next uploads: fresh memory of that size costs more than the checksum, and twice as
// much of it would be held until it is collected.
var partBuffers sync.Pool

func takeBuffer(size int64) []byte {
	if buffer, _ := partBuffers.Get().(*[]byte); buffer != nil && int64(cap(*buffer)) >= size {
		return (*buffer)[:size]
	}
	return make([]byte, size)
}

// next waits for a free buffer.
func next(ctx context.Context, buffers <-chan []byte) ([]byte, bool) {
	select {
	case buffer := <-buffers:
		return buffer, ctx.Err() == nil
	case <-ctx.Done():
		return nil, false
	}
}

// cause is what ended an upload's context: the first error of a part or body, or the caller's context.
func cause(ctx context.Context, op, key string) error {
	err := context.Cause(ctx)
	var ours *Error
	if errors.As(err, &ours) {
		return err
	}
	return &Error{Op: op, Key: key, Err: ctx.Err()}
}

// partSizeFor is the smallest multiple of unit that needs at most maxParts parts.
func partSizeFor(size, unit int64) int64 {
	units := (size + unit*maxParts - 1) / (unit * maxParts)
	return unit * max(units, 1)
}

func (s *s3Store) sendPart(ctx context.Context, key string, id *string, number int32, data []byte) (types.CompletedPart, error) {
	sum := checksum(data)
	answer, err := s.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: s.name(key), UploadId: id, PartNumber: &number,
		Body: bytes.NewReader(data), ContentLength: aws.Int64(int64(len(data))), ChecksumCRC32C: sum,
	})
	if err != nil {
		return types.CompletedPart{}, s.fail(ctx, "put", key, err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: answer.ETag, ChecksumCRC32C: sum}, nil
}
