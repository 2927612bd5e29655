package starrockssim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"starkeep/storage"
	"starkeep/test/starrockssim/sqlparse"
)

// repository is one row of SHOW REPOSITORIES with its open store.
type repository struct {
	id       int64
	name     string
	created  time.Time
	readOnly bool
	location string
	root     string // directory below the location
	store    storage.Store
	errMsg   string // of the last ping
}

func (r *repository) snapshotDir(label string) string { return r.root + "__ss_" + label + "/" }

// path is how the FE names a key in its messages.
func (r *repository) path(key string) string { return r.location + "/" + strings.TrimSuffix(key, "/") }

// tabletDir is where a backend puts a tablet's files.
func (r *repository) tabletDir(label string, db, table, part, index, tablet int64) string {
	return fmt.Sprintf("%s__ss_content/__db_%d/__tbl_%d/__part_%d/__idx_%d/__%d/", r.snapshotDir(label), db, table, part, index, tablet)
}

var repositoryName = regexp.MustCompile(`^([a-zA-Z]\w{0,63}|_[a-zA-Z0-9]\w{0,62})$`)

type repoInfo struct {
	Name       string `json:"name"`
	CreateTime string `json:"create_time"`
}

func (c *Cluster) createRepository(s *session, st *sqlparse.CreateRepository) error {
	if st.Name == "" {
		return analyzedDDL("Repository does not empty")
	}
	if !repositoryName.MatchString(st.Name) {
		return analyzing(5063, "42000", "", "Incorrect repository name '%s'", st.Name)
	}
	if st.Location == "" {
		return analyzed("You must specify a location on the repository")
	}
	if st.Broker != "" {
		return analyzed("Unknown broker name(%s)", st.Broker)
	}
	c.mu.Lock()
	_, exists := c.repos[st.Name]
	c.mu.Unlock()
	if exists {
		return ddlError("Failed to create repository: repository with same name already exist: %s", st.Name)
	}
	r := &repository{name: st.Name, readOnly: st.ReadOnly, location: st.Location}
	if err := c.openRepository(s, r, st.Properties); err != nil {
		if r.store != nil {
			r.store.Close()
		}
		return ddlError("Failed to create repository: %v", err)
	}
	c.mu.Lock()
	defer c.unlock()
	r.id = c.nextID()
	// The name may be another than the statement's, of a repository that is there: both are shown from then on.
	c.repos[r.name] = r
	c.shown = append(c.shown, r)
	return nil
}

// openRepository opens the store and adopts the __repo_info it finds, or writes one.
func (c *Cluster) openRepository(s *session, r *repository, properties []sqlparse.Property) error {
	store, err := c.opt.OpenStore(r.location, propertyMap(properties))
	if err != nil {
		path := fmt.Sprintf("%s/__starrocks_repository_%s/__repo_info", r.location, r.name)
		if errors.Is(err, errNoCredentials) {
			err = fmt.Errorf("Fail to get file status: %s: %w", path, err)
		}
		return fmt.Errorf("failed to list remote path: %s. msg: %v", path, err)
	}
	r.store = store
	// The older name's directory is only looked at; that it cannot be does not count.
	const older, prefix = "__palo_repository_", "__starrocks_repository_"
	if there, err := r.has(c.ctx, older+r.name+"/__repo_info"); err == nil && there {
		r.root = older + r.name + "/"
		_, err := c.adopt(r, older)
		return err
	}
	r.root = prefix + r.name + "/"
	if found, err := c.adopt(r, prefix); err != nil || found {
		return err
	}
	now := time.Now().In(s.zone)
	r.created = now.Truncate(time.Second)
	text, _ := json.Marshal(repoInfo{r.name, now.Format(time.DateTime)})
	// S3A sends the object when its stream is closed, and nobody looks at what came of it: a location that can be listed
	// and not written is accepted (starrocks-measured, part A 01).
	if err := r.put(c.ctx, r.root+"__repo_info", text); err != nil && r.renames() {
		return fmt.Errorf("write exception: %s", said(err))
	}
	return nil
}

// createdZone is how the FE reads the time in a __repo_info, whatever zone it was written in.
var createdZone = time.FixedZone("UTC+8", 8*3600)

func (c *Cluster) adopt(r *repository, prefix string) (bool, error) {
	key := r.root + "__repo_info"
	keys, err := r.list(c.ctx, key)
	if err != nil {
		return false, fmt.Errorf("failed to list remote path: %s. msg: %s", r.path(key), r.statusWords(key, err))
	}
	if slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, key+"/") }) {
		return false, errors.New("the existing repo info is not a file")
	}
	if !slices.Contains(keys, key) {
		return false, nil
	}
	text, err := r.read(c, key)
	if err != nil {
		return false, err
	}
	var info repoInfo
	if err := jsonError(text, &info); err != nil {
		return false, err
	}
	if info.CreateTime == "" {
		return false, fmt.Errorf("JSONObject[%q] not found.", "create_time")
	}
	if r.created, err = time.ParseInLocation(time.DateTime, info.CreateTime, createdZone); err != nil {
		return false, fmt.Errorf("failed to parse create time of repository: %s", info.CreateTime)
	}
	r.name, r.root = info.Name, prefix+info.Name+"/"
	return true, nil
}

// jsonError decodes text and complains in the words of org.json.
func jsonError(text []byte, to any) error {
	trimmed := bytes.TrimLeft(text, " \r\n\t")
	if len(trimmed) == 0 || trimmed[0] != '{' {
		at := min(1, len(trimmed))
		return fmt.Errorf("A JSONObject text must begin with '{' at %d [character %d line 1]", at, at+1)
	}
	return json.Unmarshal(text, to)
}

// dropRepository tells whether there is such a repository before it looks at privileges (recording 01).
func (c *Cluster) dropRepository(s *session, st *sqlparse.DropRepository) error {
	if st.Name == "" {
		return analyzedDDL("Repository does not empty")
	}
	r := c.repos[st.Name]
	if r == nil {
		return analyzedDDL("Repository does not exist")
	}
	if err := s.mayRepository(); err != nil {
		return err
	}
	for _, j := range c.jobs {
		if j.repo == r && !j.finished() {
			return ddlError("Backup or restore job is running on this repository. Can not drop it")
		}
	}
	delete(c.repos, st.Name)
	c.shown = without(c.shown, r)
	c.goDo(func() { r.store.Close() })
	return nil
}

// renames says whether BEs write F.part and rename it, and errors of writing show at once: not in object stores.
func (r *repository) renames() bool { return strings.HasPrefix(r.location, "hdfs://") }

func (r *repository) put(ctx context.Context, key string, body []byte) error {
	return r.store.Put(ctx, key, bytes.NewReader(body), int64(len(body)), storage.Overwrite)
}

// list lists keys by prefix.
func (r *repository) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for o, err := range r.store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

// has says whether any object's key starts with prefix.
func (r *repository) has(ctx context.Context, prefix string) (bool, error) {
	for _, err := range r.store.List(ctx, prefix) {
		return err == nil, err
	}
	return false, nil
}

// labels lists the snapshot directories.
func (r *repository) labels(ctx context.Context) ([]string, error) {
	keys, err := r.list(ctx, r.root+"__ss_")
	if err != nil {
		return nil, fmt.Errorf("failed to list remote path: %s. msg: %s", r.path(r.root+"__ss_*"), said(err))
	}
	var names []string
	for _, key := range keys {
		name, _, _ := strings.Cut(strings.TrimPrefix(key, r.root+"__ss_"), "/")
		if len(names) == 0 || names[len(names)-1] != name {
			names = append(names, name)
		}
	}
	return slices.Compact(names), nil
}

// uploadMeta writes one of the FE's files: delete leftovers, write name.part, rename it to name.<md5>. A right that is
// missing shows as it was measured (starrocks-measured, golden 50): the first time in the rename, then in the delete.
func (r *repository) uploadMeta(ctx context.Context, dir, name string, body []byte) error {
	part, final := dir+name+".part", dir+name+"."+md5hex(body)
	for _, key := range []string{part, final} {
		there, err := r.has(ctx, key)
		if err != nil {
			return fmt.Errorf("failed to check remote path exist: %s. msg: errors while check if path %s exist", r.path(key), r.path(key))
		}
		if !there {
			continue
		}
		if err := r.store.Delete(ctx, key); err != nil {
			return fmt.Errorf("failed to delete remote path: %s. msg: delete path %serror", r.path(key), r.path(key))
		}
	}
	if err := r.put(ctx, part, body); err != nil {
		return fmt.Errorf("failed to upload file: %s. msg: %s", r.path(part), said(err))
	}
	if err := move(ctx, r.store, part, final); err != nil {
		return fmt.Errorf("failed to rename %s to %s, msg: errors while rename %sto %s", r.path(part), r.path(final), r.path(part), r.path(final))
	}
	return nil
}

// move is a rename as object stores have it: copy, then delete.
func move(ctx context.Context, s storage.Store, from, to string) error {
	if err := s.Copy(ctx, from, to); err != nil {
		return err
	}
	return s.Delete(ctx, from)
}

// download fetches a file of the FE by its name without checksum, as Repository.download does.
func (r *repository) download(c *Cluster, dir, name string) ([]byte, error) {
	want := r.path(dir + name)
	keys, err := r.matching(c.ctx, dir, name)
	if err != nil {
		return nil, fmt.Errorf("failed to list remote path: %s*. msg: %s", want, said(err))
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("Expected one file with path: %s. get: %d", want, len(keys))
	}
	base := lastPart(keys[0])
	dot := strings.LastIndexByte(base, '.')
	if dot < 0 || len(base)-dot-1 != 32 {
		return nil, fmt.Errorf("file name should contains checksum: %s", r.path(keys[0]))
	}
	if !strings.HasSuffix(base[:dot], name) {
		return nil, fmt.Errorf("File does not exist: %s", want)
	}
	body, err := r.read(c, keys[0])
	if err != nil {
		return nil, err
	}
	if sum := md5hex(body); sum != base[dot+1:] {
		return nil, fmt.Errorf("md5sum does not equal. local: %s, remote: %s", sum, base[dot+1:])
	}
	return body, nil
}

// read reads a file as the FE does; it does not say what was wrong (recording 01).
func (r *repository) read(c *Cluster, key string) ([]byte, error) {
	body, err := readObject(c, r.store, key)
	if err != nil {
		o, _ := r.store.Stat(c.ctx, key)
		return nil, fmt.Errorf("failed to read. current read offset: 0, read length: %d, file size: %d, file: %s. msg: errors while read data from stream", o.Size, o.Size, r.path(key))
	}
	return body, nil
}

// matching lists dir/<name>*, name being a glob.
func (r *repository) matching(ctx context.Context, dir, name string) ([]string, error) {
	literal := name
	if i := strings.IndexAny(name, `*?[`); i >= 0 {
		literal = name[:i]
	}
	keys, err := r.list(ctx, dir+literal)
	return slices.DeleteFunc(keys, func(key string) bool {
		base := strings.TrimPrefix(key, dir)
		ok, _ := path.Match(name+"*", base)
		return !ok || strings.Contains(base, "/")
	}), err
}

func propertyMap(list []sqlparse.Property) map[string]string {
	m := map[string]string{}
	for _, p := range list {
		m[p.Key] = p.Value
	}
	return m
}
