package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsHead is what is read before a Get is known to read the right version.
const hdfsHead = 64 << 10

func (s *hdfsStore) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	if err := checkHDFSKey("get", key); err != nil {
		return nil, err
	}
	if err := checkRange(key, offset, length); err != nil {
		return nil, err
	}
	body, _, err := s.get(ctx, "get", key, offset, length)
	if err != nil {
		return nil, err
	}
	return body, nil
}

// get opens an object and tells its size. One that is replaced meanwhile is opened anew.
func (s *hdfsStore) get(ctx context.Context, op, key string, offset, length int64) (body *hdfsBody, size int64, err error) {
	for range placeAttempts {
		body, size, err = s.getOnce(ctx, op, key, offset, length)
		if !errors.Is(err, ErrChanged) {
			break
		}
	}
	return body, size, err
}

func (s *hdfsStore) getOnce(ctx context.Context, op, key string, offset, length int64) (*hdfsBody, int64, error) {
	info, err := s.stat(ctx, key)
	if err != nil {
		return nil, 0, s.fail(ctx, op, key, err)
	}
	if whole := offset == 0 && length == -1; offset >= info.Size() && !whole {
		return nil, 0, invalid(op, key, "range begins at %d, the object has %d bytes", offset, info.Size())
	}
	b := &hdfsBody{ctx: ctx, store: s, op: op, key: key, version: versionOf(info), next: offset, end: info.Size()}
	if length >= 0 && length < b.end-offset {
		b.end = offset + length
	}
	if b.next == b.end {
		b.err = io.EOF // an empty object
		return b, 0, nil
	}
	if err := b.connect(); err != nil {
		if err = b.resume(err); err != nil {
			return nil, 0, err
		}
	}
	return b, info.Size(), nil
}

// hdfsVersion tells one content of a name from another: HDFS never uses an id of a file again.
type hdfsVersion struct {
	id, modified uint64
	size         int64
}

func versionOf(info os.FileInfo) hdfsVersion {
	status := info.Sys().(*hdfs.FileStatus)
	return hdfsVersion{id: status.GetFileId(), modified: status.GetModificationTime(), size: info.Size()}
}

// errVersion is a file that is not the one it was.
var errVersion = errors.New("the file is another one now")

// hdfsBody reads a range over as many readers as it takes. Each is checked to read the version that was met first.
type hdfsBody struct {
	ctx     context.Context
	store   *hdfsStore
	op, key string
	version hdfsVersion
	next    int64 // offset of the next byte
	end     int64 // offset behind the last byte
	broken  int   // readers in a row that brought nothing

	reader  *hdfs.FileReader
	release func(error)
	head    []byte // read already
	err     error  // what every further Read returns
}

// connect opens a reader at the next byte.
func (b *hdfsBody) connect() error {
	conn, release, err := b.store.pool.take(b.ctx)
	if err != nil {
		return err
	}
	reader, head, err := b.open(conn.client)
	if err != nil {
		release(err)
		return err
	}
	b.reader, b.release, b.head = reader, release, head
	return nil
}

// open reads some bytes and then looks at the name again: the library asks for the file's length, and for its blocks only
// when the first byte is read. If the name still is the version's, so were the blocks.
func (b *hdfsBody) open(client *hdfs.Client) (*hdfs.FileReader, []byte, error) {
	name := b.store.path(b.key)
	reader, err := client.Open(name)
	if err != nil {
		return nil, nil, err
	}
	if versionOf(reader.Stat()) != b.version {
		return nil, nil, errVersion
	}
	if _, err := reader.Seek(b.next, io.SeekStart); err != nil {
		return nil, nil, err
	}
	head := make([]byte, min(hdfsHead, b.end-b.next))
	n, err := reader.Read(head)
	if err != nil && n == 0 {
		reader.Close()
		return nil, nil, err
	}
	info, err := client.Stat(name)
	if err == nil && versionOf(info) != b.version {
		err = errVersion
	}
	if err != nil {
		reader.Close()
		return nil, nil, err
	}
	return reader, head[:n], nil
}

func (b *hdfsBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for b.err == nil {
		n, err := b.read(p)
		b.next += int64(n)
		switch {
		case b.ctx.Err() != nil:
			b.err = &Error{Op: b.op, Key: b.key, Err: b.ctx.Err()}
			b.disconnect(b.err)
		case b.next == b.end:
			b.err = io.EOF
			b.disconnect(nil)
		case err != nil:
			b.disconnect(err)
			b.err = b.resume(err)
		}
		if n > 0 {
			b.broken = 0
			return n, nil
		}
	}
	return 0, b.err
}

func (b *hdfsBody) read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), b.end-b.next)]
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	n, err := b.reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF // before the end
	}
	return n, err
}

// resume replaces a reader that failed because of cause, unless that will not help.
func (b *hdfsBody) resume(cause error) error {
	for {
		switch {
		case b.ctx.Err() != nil:
			return &Error{Op: b.op, Key: b.key, Err: b.ctx.Err()}
		case errors.Is(cause, errVersion), isGone(cause):
			return &Error{Op: b.op, Key: b.key, Kind: ErrChanged, Err: cause}
		case !isUnanswered(cause) && !errors.Is(cause, io.ErrUnexpectedEOF):
			return b.store.fail(b.ctx, b.op, b.key, cause)
		case b.broken == resumeAttempts:
			return b.store.fail(b.ctx, b.op, b.key, fmt.Errorf("cut at byte %d of %d: %w", b.next, b.end, cause))
		}
		if !sleep(b.ctx, resumeBackoff<<b.broken) {
			continue
		}
		b.broken++ // taken back by the first byte
		if cause = b.connect(); cause == nil {
			return nil
		}
	}
}

// disconnect gives the connection back; err is what its reader said.
func (b *hdfsBody) disconnect(err error) {
	if b.reader != nil {
		_ = b.reader.Close()
		b.release(err)
		b.reader, b.head = nil, nil
	}
}

func (b *hdfsBody) Close() error {
	b.disconnect(nil)
	if b.err == nil || errors.Is(b.err, io.EOF) {
		b.err = errors.New("storage: read after Close")
	}
	return nil
}
