package restorepoint

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"

	"github.com/klauspost/compress/zstd"
)

// MaxListObjects is how many objects one list holds at most.
const MaxListObjects = 100_000

// maxLine bounds a line of an object list, in bytes. Keys have at most 1,024 bytes, escaped at most six times as many.
const maxLine = 16 << 10

// maxWindow bounds the memory that reading a list takes; the writer uses 8 MiB.
const maxWindow = 32 << 20

// ErrListFull is returned by ListWriter.Write when the list holds MaxListObjects: close it and begin the next.
var ErrListFull = errors.New("object list is full")

// ErrDigest is returned for a file whose SHA-256 is not the one that the manifest or record tells.
var ErrDigest = errors.New("the file is not the one that was written: SHA-256 differs")

// Object is one object of a native snapshot: a line of an object list.
type Object struct {
	Key  string `json:"key"`           // below the location
	Size int64  `json:"size"`          // bytes
	MD5  string `json:"md5,omitempty"` // 32 lower-case hex digits, the ending of StarRocks' object names; "" if it has none
}

// ListWriter writes one object list: a JSON object per line, compressed with zstd. Its memory does not depend on the
// number of objects.
type ListWriter struct {
	z     *zstd.Encoder
	lines *json.Encoder
	hash  hash.Hash
	last  string
	list  ObjectList
}

// NewListWriter writes to w the list that will be stored under key.
func NewListWriter(w io.Writer, key string) (*ListWriter, error) {
	h := sha256.New()
	z, err := zstd.NewWriter(io.MultiWriter(w, h), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	lines := json.NewEncoder(z)
	lines.SetEscapeHTML(false)
	return &ListWriter{z: z, lines: lines, hash: h, list: ObjectList{Key: key}}, nil
}

// Write adds an object. Keys must ascend; ErrListFull if the list is full.
func (w *ListWriter) Write(o Object) error {
	if w.list.Objects >= MaxListObjects {
		return ErrListFull
	}
	if o.Key <= w.last || o.Size < 0 {
		return fmt.Errorf("object list: %q (%d bytes) after %q: keys must ascend, sizes be positive", o.Key, o.Size, w.last)
	}
	if err := w.lines.Encode(o); err != nil {
		return fmt.Errorf("object list: %w", err)
	}
	w.last = o.Key
	w.list.Objects++
	w.list.Bytes += o.Size
	return nil
}

// Close ends the list and tells what a SnapshotRecord says of it. It does not close the io.Writer.
func (w *ListWriter) Close() (ObjectList, error) {
	if err := w.z.Close(); err != nil {
		return ObjectList{}, fmt.Errorf("object list: %w", err)
	}
	w.list.SHA256 = hex.EncodeToString(w.hash.Sum(nil))
	return w.list, nil
}

// ReadList yields the objects of a stored list as they arrive, in ascending order of keys. An error is yielded once,
// as the last element: ErrFormat, ErrDigest, or r's own. Only after the end without an error is the whole list known
// to be the one that was written, so act on it after that.
func ReadList(r io.Reader, list ObjectList) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := readList(r, list, yield); err != nil && !errors.Is(err, errStopped) {
			yield(Object{}, fmt.Errorf("object list %q: %w", list.Key, err))
		}
	}
}

// errStopped says that the consumer of a sequence wants no more.
var errStopped = errors.New("stopped")

func readList(r io.Reader, list ObjectList, yield func(Object, error) bool) error {
	h := sha256.New()
	below := &source{Reader: r}
	stored := io.TeeReader(below, h)
	z, err := zstd.NewReader(stored, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return below.or(err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 0, 4<<10), maxLine)
	seen := ObjectList{}
	last := ""
	for lines.Scan() {
		var o Object
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			return below.or(fmt.Errorf("line %d: %w", seen.Objects+1, err))
		}
		if o.Key <= last || o.Size < 0 {
			return fmt.Errorf("%w: line %d: %q after %q", ErrFormat, seen.Objects+1, o.Key, last)
		}
		last = o.Key
		seen.Objects++
		seen.Bytes += o.Size
		if !yield(o, nil) {
			return errStopped
		}
	}
	if err := lines.Err(); err != nil {
		return below.or(err)
	}
	if _, err := io.Copy(io.Discard, stored); err != nil {
		return err
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != list.SHA256 {
		return fmt.Errorf("%w (have %s, want %s)", ErrDigest, sum, list.SHA256)
	}
	if seen.Objects != list.Objects || seen.Bytes != list.Bytes {
		return fmt.Errorf("%w: %d objects of %d bytes, the record says %d of %d", ErrFormat, seen.Objects, seen.Bytes, list.Objects, list.Bytes)
	}
	return nil
}

// source remembers the error of the reader below, which a decompressor on top may hide behind its own.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// or tells errors of the store from those of the content.
func (s *source) or(err error) error {
	if s.err != nil {
		return s.err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}
