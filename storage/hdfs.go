package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/user"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/colinmarc/hdfs/v2"
	krb "github.com/jcmturner/gokrb5/v8/client"
	"golang.org/x/sync/errgroup"
)

// HDFS is what an HDFS location needs besides its name.
type HDFS struct {
	User      string   // with simple authentication; empty: the one of the process
	NameNodes []string // host:port of all NameNodes of the nameservice that the location names; empty: the location's own
	// Kerberos replaces User where Principal is set.
	Kerberos Kerberos
}

// Kerberos is how to log in to a secured HDFS.
type Kerberos struct {
	Principal        string // user@REALM
	Keytab           string // file
	Config           string // krb5.conf; empty: /etc/krb5.conf
	ServicePrincipal string // of the NameNodes, as "nn/_HOST"
	// Protection of the data transfer, at least: "authentication" or "privacy"; empty: as the DataNodes ask for. DataNodes
	// that ask for integrity, or for privacy by another cipher than AES, cannot be used: the client library fails there.
	Protection string
}

const (
	nameNodePort = "8020" // where a location or NameNode names none

	// deleteWorkers is how many keys Delete removes at the same time.
	deleteWorkers = 8
)

// hdfsStore keeps objects as files below a directory of HDFS.
//
// Objects are files; links are not followed. The location's directory itself is never created. Directories that Put
// needs get the permissions of the location's directory, and files the same without execution and without writing for
// others than their owner: who shares a location sets its mode. Delete removes directories that it left empty, never the
// location's own. A key that holds ':' is ErrInvalid, since HDFS has no such names, and so are a segment of more than 255
// bytes and a key below another object's. There is no copying in HDFS: Copy passes the bytes through this process.
//
// Every Put writes a file of its own below .starkeep-tmp, where no listing looks, and has the DataNodes digest what they
// hold before the file is moved into place. Nothing else can be trusted: HDFS closes files whose bytes it does not have,
// and tells lengths that nobody wrote (storage-servers §1.3-1.5). Files there that are older than a day are removed.
//
// Memory is under 1.5 MiB per Put and Copy, 256 KiB per Get, and per List one page of names for each level of directories,
// besides all names of a directory that are not ASCII. Each running operation holds one connection to the NameNode.
type hdfsStore struct {
	root    string // "/dir", or "" for HDFS's own root
	options hdfs.ClientOptions
	login   Kerberos
	pool    hdfsPool

	addrsMu sync.Mutex
	addrs   []string // of the NameNodes, the one to try first first

	krbMu sync.Mutex
	krb   *krb.Client // nil before the first connection, and without Kerberos

	modes atomic.Pointer[hdfsModes] // once .starkeep-tmp was made
	sweep sync.Once

	rpcWait, dataWait time.Duration // how long a NameNode, a DataNode may be silent
	backoff           time.Duration // before a call is made for the second time; doubles

	route func(address string) string // where a DataNode is dialled; nil: at its own address. For tests
}

// hdfsModes are the permissions of what this store makes.
type hdfsModes struct{ dir, file os.FileMode }

func openHDFS(_ context.Context, rest string, c Config) (Store, error) {
	authority, dir, _ := strings.Cut(rest, "/")
	if authority == "" || strings.ContainsAny(authority, "@?#%\\ ") {
		return nil, openError("location %q must begin with the NameNode or nameservice, as in hdfs://namenode:8020/dir", c.Location)
	}
	if dir != "" {
		if reason := badHDFSKey(dir); reason != "" {
			return nil, openError("location %q: %s", c.Location, strings.Replace(reason, "key", "directory", 1))
		}
		dir = "/" + dir
	}
	addrs, err := nameNodes(authority, c.HDFS.NameNodes)
	if err != nil {
		return nil, err
	}
	s := &hdfsStore{root: dir, addrs: addrs, login: c.HDFS.Kerberos, rpcWait: 30 * time.Second, dataWait: 60 * time.Second, backoff: 200 * time.Millisecond}
	s.pool.open = s.connect
	if c.HDFS.Kerberos.Principal != "" {
		return s, s.checkKerberos()
	}
	s.options.User = c.HDFS.User
	if s.options.User == "" {
		self, err := user.Current()
		if err != nil {
			return nil, openError("no HDFS user is given, and the process has none: %v", err)
		}
		s.options.User = self.Username
	}
	return s, nil
}

// nameNodes are the addresses to dial: those given, else the location's own.
func nameNodes(authority string, given []string) ([]string, error) {
	if len(given) == 0 {
		given = []string{authority}
	}
	addrs := make([]string, len(given))
	for i, name := range given {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			host, port, err = net.SplitHostPort(name + ":" + nameNodePort)
		}
		if err != nil || host == "" || port == "" {
			return nil, openError("NameNode %q is not host:port", name)
		}
		addrs[i] = net.JoinHostPort(host, port)
	}
	return addrs, nil
}

func (s *hdfsStore) Close() error {
	s.pool.close()
	s.krbMu.Lock()
	defer s.krbMu.Unlock()
	if s.krb != nil {
		s.krb.Destroy()
		s.krb = nil
	}
	return nil
}

func (s *hdfsStore) path(key string) string { return s.root + "/" + key }

// rootPath is the location's directory.
func (s *hdfsStore) rootPath() string {
	if s.root == "" {
		return "/"
	}
	return s.root
}

// badHDFSKey says why HDFS cannot hold a key, or "".
func badHDFSKey(key string) string {
	if reason := badKey(key); reason != "" {
		return reason
	}
	if strings.Contains(key, ":") {
		return "key holds ':', which HDFS does not allow in names"
	}
	for segment := range strings.SplitSeq(key, "/") {
		if len(segment) > 255 {
			return "key has a segment of more than 255 bytes"
		}
	}
	if key == tempDir || strings.HasPrefix(key, tempDir+"/") {
		return "key is reserved for files being written"
	}
	return ""
}

func checkHDFSKey(op, key string) error { return keyError(op, key, badHDFSKey(key)) }

func (s *hdfsStore) Stat(ctx context.Context, key string) (Object, error) {
	if err := checkHDFSKey("stat", key); err != nil {
		return Object{}, err
	}
	info, err := s.stat(ctx, key)
	if err != nil {
		return Object{}, s.fail(ctx, "stat", key, err)
	}
	return Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil
}

// stat tells of an object; fs.ErrNotExist if there is none, errRoot if the location is missing.
func (s *hdfsStore) stat(ctx context.Context, key string) (os.FileInfo, error) {
	info, err := s.statPath(ctx, s.path(key))
	if err == nil && info.IsDir() {
		return nil, os.ErrNotExist
	}
	if isGone(err) || s.isNowhere(ctx, path.Dir(key), err) {
		return nil, s.missing(ctx)
	}
	return info, err
}

// isNowhere tells, when err is a missing permission, that what is missing is a directory on the way: a file stands there,
// which HDFS calls a missing permission, or did until now.
func (s *hdfsStore) isNowhere(ctx context.Context, dir string, err error) bool {
	if !isForbidden(err) {
		return false
	}
	err = s.way(ctx, dir)
	return errors.Is(err, errBelow) || isGone(err)
}

// way walks to a directory, beginning at the location's own: errBelow if a file stands in the way.
func (s *hdfsStore) way(ctx context.Context, dir string) error {
	names := []string{s.rootPath()}
	for i, c := range dir + "/" {
		if c == '/' && dir != "." {
			names = append(names, s.path(dir[:i]))
		}
	}
	for _, name := range names {
		info, err := s.statPath(ctx, name)
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return errBelow
		}
	}
	return nil
}

func (s *hdfsStore) statPath(ctx context.Context, name string) (info os.FileInfo, err error) {
	err = s.do(ctx, func(c *hdfs.Client) error {
		info, err = c.Stat(name)
		return err
	})
	return info, err
}

// missing is the error for an object that is absent: the location may be what is missing.
func (s *hdfsStore) missing(ctx context.Context) error {
	if _, err := s.location(ctx); err != nil {
		return err
	}
	return os.ErrNotExist
}

// location looks at the location's directory and tells the modes of what is made in it.
func (s *hdfsStore) location(ctx context.Context) (hdfsModes, error) {
	info, err := s.statPath(ctx, s.rootPath())
	switch {
	case isGone(err):
		return hdfsModes{}, fmt.Errorf("%w: make it with `hdfs dfs -mkdir -p %s`", errRoot, s.rootPath())
	case err != nil:
		return hdfsModes{}, err
	case !info.IsDir():
		return hdfsModes{}, fmt.Errorf("%w: %s is a file", errRoot, s.rootPath())
	}
	perm := info.Mode().Perm()
	return hdfsModes{dir: 0o700 | perm, file: 0o600 | perm&0o044}, nil
}

func (s *hdfsStore) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	var mu sync.Mutex
	failed, parents := map[string]error{}, map[string]bool{}
	if _, err := s.location(ctx); err != nil {
		for _, key := range keys {
			failed[key] = s.fail(ctx, "delete", key, err)
		}
		return &DeleteError{Failed: failed}
	}
	var work errgroup.Group
	work.SetLimit(deleteWorkers)
	for _, key := range keys {
		work.Go(func() error {
			err := s.deleteOne(ctx, key)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed[key] = err
			} else {
				parents[path.Dir(key)] = true
			}
			return nil
		})
	}
	_ = work.Wait()
	for dir := range parents {
		s.removeEmpty(ctx, dir)
	}
	if len(failed) > 0 {
		return &DeleteError{Failed: failed}
	}
	return nil
}

// deleteOne removes a file. What is found to be a directory with something in it is no object.
func (s *hdfsStore) deleteOne(ctx context.Context, key string) error {
	if err := checkHDFSKey("delete", key); err != nil {
		return err
	}
	err := s.remove(ctx, s.path(key))
	if isGone(err) || isNotEmpty(err) || s.isNowhere(ctx, path.Dir(key), err) {
		return nil
	}
	return s.fail(ctx, "delete", key, err)
}

// removeEmpty removes a directory below the location and those above it as far as they are empty.
func (s *hdfsStore) removeEmpty(ctx context.Context, dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		if err := s.remove(ctx, s.path(dir)); err != nil && !isGone(err) {
			return
		}
	}
}

// remove removes a file or an empty directory.
func (s *hdfsStore) remove(ctx context.Context, name string) error {
	return s.do(ctx, func(c *hdfs.Client) error { return c.Remove(name) })
}

func (s *hdfsStore) Copy(ctx context.Context, from, to string) error {
	if err := errors.Join(checkHDFSKey("copy", from), checkHDFSKey("copy", to)); err != nil {
		return err
	}
	if from == to {
		_, err := s.stat(ctx, from)
		return s.fail(ctx, "copy", from, err)
	}
	body, size, err := s.get(ctx, "copy", from, 0, -1)
	if err != nil {
		return err
	}
	defer body.Close()
	return s.write(ctx, "copy", to, &exactReader{ctx: ctx, body: io.Reader(body), left: size}, size, Overwrite)
}
