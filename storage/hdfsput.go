package storage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/colinmarc/hdfs/v2"
)

const (
	hdfsHeadBody = 512 << 10 // of a body is kept: a file that fails within it is written again
	hdfsBuffer   = 1 << 20   // written at a time: sixteen packets to a DataNode, so that reading and sending take turns rarely
	hdfsWrites   = 3         // attempts to write such a file

	replicationWait = 30 * time.Second // for a DataNode to tell the NameNode of the last block
	cleanupWait     = 5 * time.Second  // for the removal of a file that is not used, after the context may have ended
)

func (s *hdfsStore) Put(ctx context.Context, key string, body io.Reader, size int64, mode Mode) error {
	if err := checkHDFSKey("put", key); err != nil {
		return err
	}
	if size < 0 {
		return invalid("put", key, "negative size")
	}
	return s.write(ctx, "put", key, &exactReader{ctx: ctx, body: body, left: size}, size, mode)
}

// write stores a body: first as a file that nobody sees. What fails within the first bytes is written again.
func (s *hdfsStore) write(ctx context.Context, op, key string, body *exactReader, size int64, mode Mode) error {
	if mode == IfAbsent {
		if _, err := s.stat(ctx, key); !isGone(err) {
			return s.fail(ctx, op, key, cmp.Or(err, errTaken))
		}
	}
	if _, err := s.prepared(ctx); err != nil {
		return s.fail(ctx, op, key, err)
	}
	head, err := readHead(body, size)
	var temp *hdfsTemp
	for attempt := 1; err == nil; attempt++ {
		if temp, err = s.writeTemp(ctx, io.MultiReader(bytes.NewReader(head), body), mode); err == nil {
			break
		}
		s.discardTemp(ctx, temp)
		if isGone(err) {
			s.modes.Store(nil) // the location or .starkeep-tmp was removed since it was last seen
		}
		if again := attempt < hdfsWrites && body.left == size-int64(len(head)); again && (isGone(err) || isUnanswered(err)) {
			err = nil
		}
	}
	switch {
	case body.err != nil && !errors.Is(body.err, io.EOF):
		return bodyError(op, key, body.err)
	case isGone(err): // that says nothing about the key
		return &Error{Op: op, Key: key, Kind: ErrUnavailable, Err: fmt.Errorf("the file under %s was removed while it was written: %w", tempDir, err)}
	case err != nil:
		return s.fail(ctx, op, key, err)
	}
	if mode == IfAbsent {
		err = s.publish(ctx, temp, key)
	} else {
		err = s.replace(ctx, temp, key)
	}
	if err != nil {
		s.discardTemp(ctx, temp)
	}
	return s.fail(ctx, op, key, err)
}

// readHead reads the beginning of a body. One that is read whole is known to end there.
func readHead(body *exactReader, size int64) ([]byte, error) {
	head := make([]byte, min(hdfsHeadBody, size))
	if _, err := io.ReadFull(body, head); err != nil {
		return nil, err
	}
	if int64(len(head)) < size {
		return head, nil
	}
	_, err := io.Copy(io.Discard, body)
	return head, err
}

// prepared tells the modes of files, and makes .starkeep-tmp when they are asked for the first time.
func (s *hdfsStore) prepared(ctx context.Context) (hdfsModes, error) {
	if modes := s.modes.Load(); modes != nil {
		return *modes, nil
	}
	modes, err := s.location(ctx)
	if err != nil {
		return modes, err
	}
	if err := s.mkdir(ctx, s.path(tempDir), modes); err != nil {
		return modes, err
	}
	s.sweep.Do(func() { s.removeStale(ctx) })
	s.modes.Store(&modes)
	return modes, nil
}

func (s *hdfsStore) mkdir(ctx context.Context, dir string, modes hdfsModes) error {
	err := s.do(ctx, func(c *hdfs.Client) error { return c.MkdirAll(dir, modes.dir) })
	if isFileInWay(err) {
		return errBelow
	}
	return err
}

// hdfsTemp is a file below .starkeep-tmp, complete and verified, or left over.
type hdfsTemp struct {
	dir  string // of its own; "": none
	name string // unique
	id   uint64 // of the file, kept by renames; 0: not known yet
}

func (t *hdfsTemp) path(s *hdfsStore) string {
	if t.dir != "" {
		return t.dir + "/" + t.name
	}
	return s.path(tempDir) + "/" + t.name
}

// writeTemp writes and verifies a file. After an error it may be there: the caller discards it.
func (s *hdfsStore) writeTemp(ctx context.Context, body io.Reader, mode Mode) (*hdfsTemp, error) {
	modes, err := s.prepared(ctx)
	if err != nil {
		return nil, err
	}
	temp := &hdfsTemp{name: "put-" + nonce()}
	if mode == IfAbsent {
		temp.dir = s.path(tempDir) + "/new-" + temp.name
		err := s.do(ctx, func(c *hdfs.Client) error { return c.Mkdir(temp.dir, modes.dir) })
		if err != nil && !errors.Is(err, fs.ErrExist) { // it exists when an answer was lost
			return temp, err
		}
	}
	digest, err := s.writeFile(ctx, temp.path(s), body, modes.file)
	if err != nil {
		return temp, err
	}
	return temp, s.verify(ctx, temp, digest)
}

func nonce() string {
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

// writeFile writes and closes a file. After any error its connection is cut before the library's Close, which might else
// end a file whose blocks are not all there as if it were complete.
func (s *hdfsStore) writeFile(ctx context.Context, name string, body io.Reader, mode os.FileMode) (*hdfsDigest, error) {
	conn, release, err := s.pool.take(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { release(err) }()
	defaults, err := conn.client.ServerDefaults()
	if err != nil {
		return nil, err
	}
	file, err := conn.client.CreateFile(name, defaults.Replication, defaults.BlockSize, mode)
	if err != nil {
		return nil, err
	}
	digest := &hdfsDigest{blockSize: defaults.BlockSize}
	_, err = io.CopyBuffer(io.MultiWriter(file, digest), struct{ io.Reader }{body}, make([]byte, hdfsBuffer))
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = closeFile(ctx, file)
	}
	if err != nil {
		conn.kill()
		_ = file.Close() // ends the library's goroutines
		return nil, err
	}
	return digest, nil
}

// closeFile ends a file of which all was written.
func closeFile(ctx context.Context, file *hdfs.FileWriter) error {
	end := time.Now().Add(replicationWait)
	for wait := 5 * time.Millisecond; ; wait = min(2*wait, 400*time.Millisecond) {
		err := file.Close()
		if !hdfs.IsErrReplicating(err) {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("no DataNode has told the NameNode of the last block within %v: %w", replicationWait, err)
		}
		if !sleep(ctx, wait) {
			return ctx.Err()
		}
	}
}

// verify has the DataNodes digest the file, and compares length and digest with what was written.
func (s *hdfsStore) verify(ctx context.Context, temp *hdfsTemp, want *hdfsDigest) error {
	var size int64
	var sum []byte
	err := s.do(ctx, func(c *hdfs.Client) error {
		file, err := c.Open(temp.path(s))
		if err != nil {
			return err
		}
		defer file.Close()
		temp.id, size = versionOf(file.Stat()).id, file.Stat().Size()
		sum, err = file.Checksum()
		return err
	})
	switch {
	case err != nil:
		return err
	case size != want.size:
		return fmt.Errorf("%d bytes were written, and HDFS has %d", want.size, size)
	case !bytes.Equal(sum, want.sum()):
		return fmt.Errorf("HDFS has other bytes than were written, or its DataNodes cannot tell: digest %x, want %x", sum, want.sum())
	}
	return nil
}

// discardTemp removes a file that is not used, as far as that works within a short time; what stays is swept later.
func (s *hdfsStore) discardTemp(ctx context.Context, temp *hdfsTemp) {
	if temp == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupWait)
	defer cancel()
	if s.remove(ctx, temp.path(s)) == nil && temp.dir != "" {
		_ = s.remove(ctx, temp.dir)
	}
}

// replace moves a finished file to its name. HDFS's rename replaces.
func (s *hdfsStore) replace(ctx context.Context, temp *hdfsTemp, key string) error {
	err := s.move(ctx, temp.path(s), key)
	if !isGone(err) {
		return err
	}
	if s.isAt(ctx, key, temp.id) {
		return nil // moved by a call whose answer was lost
	}
	return fmt.Errorf("the file written has vanished from %s", s.path(tempDir))
}

// move renames a file to an object's name and makes its directory, again when a Delete takes that away. fs.ErrNotExist:
// there is no such file.
func (s *hdfsStore) move(ctx context.Context, from, key string) error {
	modes, err := s.prepared(ctx)
	if err != nil {
		return err
	}
	for range placeAttempts {
		err = s.do(ctx, func(c *hdfs.Client) error { return c.Rename(from, s.path(key)) })
		if err == nil {
			return nil
		}
		if info, statErr := s.statPath(ctx, s.path(key)); statErr == nil && info.IsDir() {
			return errDirectory
		}
		if isFileInWay(err) || isForbidden(err) && errors.Is(s.way(ctx, path.Dir(key)), errBelow) {
			return errBelow
		}
		if !isGone(err) {
			return err
		}
		if _, err := s.statPath(ctx, from); err != nil {
			return err
		}
		if err := s.mkdir(ctx, path.Dir(s.path(key)), modes); err != nil {
			return err
		}
	}
	return err
}

// isAt tells whether an object is the file of that id.
func (s *hdfsStore) isAt(ctx context.Context, key string, id uint64) bool {
	info, err := s.stat(ctx, key)
	return err == nil && id != 0 && versionOf(info).id == id
}

// removeStale removes what killed processes left below .starkeep-tmp: never a directory with something newer in it.
func (s *hdfsStore) removeStale(ctx context.Context) {
	for _, entry := range s.readDir(ctx, s.path(tempDir)) {
		if time.Since(entry.ModTime()) < staleTemp {
			continue
		}
		name := s.path(tempDir) + "/" + entry.Name()
		if entry.IsDir() {
			for _, inner := range s.readDir(ctx, name) {
				if time.Since(inner.ModTime()) > staleTemp {
					_ = s.remove(ctx, name+"/"+inner.Name())
				}
			}
		}
		_ = s.remove(ctx, name)
	}
}

// readDir gives what can be read of a directory.
func (s *hdfsStore) readDir(ctx context.Context, dir string) []os.FileInfo {
	var entries []os.FileInfo
	_ = s.do(ctx, func(c *hdfs.Client) (err error) {
		entries, err = c.ReadDir(dir)
		return err
	})
	return entries
}
