package storage

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/colinmarc/hdfs/v2"
)

// hdfsPage is how many names are read at once: what a NameNode sends by default.
const hdfsPage = 1000

// List walks only directories that can hold the prefix, and reads each page by page.
func (s *hdfsStore) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if _, err := s.location(ctx); err != nil {
			yield(Object{}, s.fail(ctx, "list", prefix, err))
			return
		}
		dir := prefix[:strings.LastIndexByte(prefix, '/')+1]
		if dir != "" && badHDFSKey(strings.TrimSuffix(dir, "/")) != "" {
			return // no object of this store has such a key
		}
		conn, release, err := s.pool.take(ctx)
		if err != nil {
			yield(Object{}, s.fail(ctx, "list", prefix, err))
			return
		}
		walk := &hdfsWalk{ctx: ctx, store: s, client: conn.client, prefix: prefix, yield: yield}
		err = walk.dir(dir)
		release(err)
		if s.isNowhere(ctx, cmp.Or(strings.TrimSuffix(dir, "/"), "."), err) {
			return
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(Object{}, s.fail(ctx, "list", prefix, err))
		}
	}
}

// errStop is a consumer that wants no more.
var errStop = errors.New("stop")

type hdfsWalk struct {
	ctx    context.Context
	store  *hdfsStore
	client *hdfs.Client
	prefix string
	yield  func(Object, error) bool
}

// dir yields what is below a directory ("" or ending in '/').
//
// HDFS gives names in an order of its own: by signed bytes, so that "ä" comes before "a", and a directory where its name
// sorts and not where its keys do ("dir-1" < "dir/"). What came too early is held back until its place: names that are not
// ASCII, and directories.
func (w *hdfsWalk) dir(dir string) error {
	reader, err := w.client.Open(w.store.path(strings.TrimSuffix(dir, "/")))
	if err != nil || !reader.Stat().IsDir() {
		return ignoreGone(err) // never there, or deleted since its parent was read
	}
	defer reader.Close()
	var held hdfsHeld
	for more := true; more; {
		page, err := reader.Readdir(hdfsPage)
		more = len(page) == hdfsPage
		if err != nil && !errors.Is(err, io.EOF) {
			return ignoreGone(err)
		}
		for _, info := range page {
			for len(held) > 0 && held[0].isNext(info.Name()) {
				if err := w.entry(dir, heap.Pop(&held).(hdfsEntry).info); err != nil {
					return err
				}
			}
			if e := newHDFSEntry(info); e.early {
				heap.Push(&held, e)
			} else if err := w.entry(dir, info); err != nil {
				return err
			}
		}
	}
	for len(held) > 0 {
		if err := w.entry(dir, heap.Pop(&held).(hdfsEntry).info); err != nil {
			return err
		}
	}
	return nil
}

// entry yields a file, or what is below a directory.
func (w *hdfsWalk) entry(dir string, info os.FileInfo) error {
	key := dir + info.Name()
	switch {
	case !info.IsDir():
		return w.file(key, info)
	case key != tempDir && overlaps(key+"/", w.prefix):
		return w.dir(key + "/")
	}
	return nil
}

func (w *hdfsWalk) file(key string, info os.FileInfo) error {
	if !strings.HasPrefix(key, w.prefix) {
		return nil
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if !w.yield(Object{Key: key, Size: info.Size(), Modified: info.ModTime()}, nil) {
		return errStop
	}
	return nil
}

func ignoreGone(err error) error {
	if isGone(err) {
		return nil
	}
	return err
}

// hdfsEntry is a name of a directory, with its place among the keys.
type hdfsEntry struct {
	info  os.FileInfo
	sort  string // what its keys begin with
	early bool   // smaller names may come later
	group string // all of which begin with this
}

func newHDFSEntry(info os.FileInfo) hdfsEntry {
	e := hdfsEntry{info: info, sort: info.Name(), group: info.Name()}
	if info.IsDir() {
		e.sort += "/"
		e.early = true
	}
	if i := strings.IndexFunc(e.group, func(r rune) bool { return r >= utf8.RuneSelf }); i >= 0 {
		e.early, e.group = true, e.group[:i]
	}
	return e
}

// isNext tells that nothing smaller comes, now that name has come.
func (e hdfsEntry) isNext(name string) bool {
	rest, among := strings.CutPrefix(name, e.group)
	return !among || e.group+"/" == e.sort && rest[0] > '/' && rest[0] < utf8.RuneSelf
}

// hdfsHeld are entries held back, the smallest first.
type hdfsHeld []hdfsEntry

func (h hdfsHeld) Len() int           { return len(h) }
func (h hdfsHeld) Less(i, j int) bool { return h[i].sort < h[j].sort }
func (h hdfsHeld) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hdfsHeld) Push(e any)        { *h = append(*h, e.(hdfsEntry)) }
func (h *hdfsHeld) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
