package starrockssim

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"starkeep/storage"
)

// upload is UPLOAD: every file that is not there yet with the same checksum, under name.md5.
func (be *backend) upload(t *agentTask, epoch int, fault *Fault) (taskResult, *taskFailure) {
	dir, failure := be.localDir(t.path)
	if failure != nil {
		return taskResult{}, failure
	}
	remote, err := be.listRemote(t)
	if err != nil {
		return taskResult{}, failTask("IO error: %s", said(err))
	}
	var result taskResult
	for i, name := range dir.names() {
		if fault != nil && fault.AfterFiles > 0 && i == fault.AfterFiles {
			return taskResult{}, fault.failure()
		}
		if _, failure := be.localDir(t.path); failure != nil || be.lost(epoch) {
			return taskResult{}, failTask("snapshot path is not directory: %s", t.path)
		}
		body := dir.files[name]
		sum := md5hex(body)
		result.files = append(result.files, name+"."+sum)
		if remote[name] == sum {
			continue
		}
		if err := be.write(t, name, sum, body); err != nil {
			return taskResult{}, failTask("IO error: %s", said(err))
		}
	}
	return result, nil
}

// write puts a file into the repository: directly into an object store, elsewhere as F.part that is renamed
// (starrocks-facts §5.2).
func (be *backend) write(t *agentTask, name, sum string, body []byte) error {
	c, store, final := be.c, be.storeOf(t.repo), t.remote+name+"."+sum
	to := final
	if t.repo.renames() || c.older(3, 4) { // object stores are written directly since 3.4 (by source, not measured)
		to = t.remote + name + ".part"
	}
	if err := store.Put(c.ctx, to, bytes.NewReader(body), int64(len(body)), storage.Overwrite); err != nil || to == final {
		return err
	}
	return move(c.ctx, store, to, final)
}

// lost waits while the backend stands still and says whether its process is another one now.
func (be *backend) lost(epoch int) bool {
	c := be.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed() && be.epoch == epoch && be.hanging {
		c.change.Wait()
	}
	return be.epoch != epoch || c.closed()
}

func (be *backend) localDir(path string) (*snapshotDir, *taskFailure) {
	be.c.mu.Lock()
	defer be.c.mu.Unlock()
	dir := be.snapshots[path]
	if dir == nil {
		return nil, failTask("snapshot path is not directory: %s", path)
	}
	return dir, nil
}

// listRemote maps base names to checksums: the text after the last dot, of the first of several.
func (be *backend) listRemote(t *agentTask) (map[string]string, error) {
	names := map[string]string{}
	for o, err := range be.storeOf(t.repo).List(be.c.ctx, t.remote) {
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(o.Key, t.remote)
		dot := strings.LastIndexByte(name, '.')
		if strings.Contains(name, "/") || dot < 0 || dot == len(name)-1 {
			continue
		}
		if _, have := names[name[:dot]]; !have {
			names[name[:dot]] = name[dot+1:]
		}
	}
	return names, nil
}

// download is DOWNLOAD: everything below the tablet's remote directory into the local snapshot directory. It does not
// know what should be there.
func (be *backend) download(t *agentTask, epoch int, fault *Fault) (taskResult, *taskFailure) {
	dir, failure := be.localDir(t.path)
	if failure != nil {
		return taskResult{}, failure
	}
	remote, err := be.listRemote(t)
	if err != nil {
		return taskResult{}, failTask("IO error: %s", said(err))
	}
	if len(remote) == 0 {
		return taskResult{}, failTask("get nothing from remote path: %s/%s", t.repo.location, strings.TrimSuffix(t.remote, "/"))
	}
	be.c.mu.Lock()
	local := be.tablets[t.tablet]
	be.c.mu.Unlock()
	if local == nil {
		return taskResult{}, failTask("failed to get local tablet: %d", t.tablet)
	}
	files := map[string][]byte{}
	source := strings.TrimPrefix(lastPart(t.remote), "__")
	for i, name := range sortedKeys(remote) {
		if fault != nil && fault.AfterFiles > 0 && i == fault.AfterFiles {
			return taskResult{}, fault.failure()
		}
		if be.lost(epoch) {
			return taskResult{}, failTask("Cancelled")
		}
		to, ok := localName(name, t.tablet)
		if !ok {
			return taskResult{}, failTask("invalid tablet file name: %s", name)
		}
		body, failure := be.fetch(t, name, remote[name], dir.path+"/"+to)
		if failure != nil {
			return taskResult{}, failure
		}
		if foreign(name, source) {
			continue
		}
		files[to] = body
	}
	be.c.mu.Lock()
	dir.files = files
	be.c.mu.Unlock()
	return taskResult{}, nil
}

// foreign: a header of another tablet than the directory's is removed after the download.
func foreign(name, source string) bool {
	for _, ext := range []string{".hdr", ".dcgs_snapshot"} {
		if strings.HasSuffix(name, ext) {
			return name != source+ext
		}
	}
	return false
}

func localName(name string, tablet int64) (string, bool) {
	for _, ext := range []string{".hdr", ".dcgs_snapshot"} {
		if strings.HasSuffix(name, ext) {
			return fmt.Sprint(tablet) + ext, true
		}
	}
	for _, ext := range []string{".idx", ".dat", ".del", ".cols", ".upt", ".vi", "meta"} {
		if strings.HasSuffix(name, ext) {
			return name, true
		}
	}
	return "", false
}

func (be *backend) fetch(t *agentTask, name, sum, to string) ([]byte, *taskFailure) {
	key := t.remote + name + "." + sum
	body, err := readObject(be.c, be.storeOf(t.repo), key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, failTask("failed to open remote file: %s/%s", t.repo.location, key)
	}
	if err != nil {
		return nil, failTask("IO error: %s", said(err))
	}
	if got := md5hex(body); got != sum {
		return nil, failTask("invalid md5 of downloaded file: %s, expected: %s, get: %s", to, sum, got)
	}
	return body, nil
}

// readObject reads an object whole.
func readObject(c *Cluster, s storage.Store, key string) ([]byte, error) {
	r, err := s.Get(c.ctx, key, 0, -1)
	if err != nil {
		// A range of an empty object begins at its end: providers may refuse it.
		if o, statErr := s.Stat(c.ctx, key); statErr == nil && o.Size == 0 {
			return nil, nil
		}
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func lastPart(dir string) string {
	dir = strings.TrimSuffix(dir, "/")
	return dir[strings.LastIndexByte(dir, '/')+1:]
}
