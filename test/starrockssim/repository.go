package starrockssim

import (
	"bytes"
	"context"
	"encoding/json"
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
	created  string // as __repo_info has it
	readOnly bool
	location string
	root     string // directory below the location
	store    storage.Store
	errMsg   string
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
	if err := c.openRepository(r, st.Properties); err != nil {
		return ddlError("Failed to create repository: %v", err)
	}
	c.mu.Lock()
	defer c.unlock()
	r.id = c.nextID()
	c.repos[r.name] = r
	return nil
}

// openRepository opens the store and adopts the __repo_info it finds, or writes one.
func (c *Cluster) openRepository(r *repository, properties []sqlparse.Property) error {
	store, err := c.opt.OpenStore(r.location, propertyMap(properties))
	if err != nil {
		return fmt.Errorf("failed to list remote path: %s/__starrocks_repository_%s/__repo_info. msg: %v", r.location, r.name, err)
	}
	r.store = store
	for _, prefix := range []string{"__palo_repository_", "__starrocks_repository_"} {
		r.root = prefix + r.name + "/"
		found, err := c.adopt(r)
		if err != nil || found {
			return err
		}
	}
	r.created = time.Now().UTC().Format(time.DateTime)
	text, _ := json.Marshal(repoInfo{r.name, r.created})
	if err := r.put(c.ctx, r.root+"__repo_info", text); err != nil {
		return fmt.Errorf("write exception: %v", err)
	}
	return nil
}

func (c *Cluster) adopt(r *repository) (bool, error) {
	keys, err := r.list(c.ctx, r.root+"__repo_info")
	if err != nil {
		return false, fmt.Errorf("failed to list remote path: %s. msg: %v", r.path(r.root+"__repo_info"), err)
	}
	if !slices.Contains(keys, r.root+"__repo_info") {
		return false, nil
	}
	text, err := readObject(c, r.store, r.root+"__repo_info")
	if err != nil {
		return false, fmt.Errorf("failed to read. file: %s. msg: %v", r.path(r.root+"__repo_info"), err)
	}
	var info repoInfo
	if err := jsonError(text, &info); err != nil {
		return false, err
	}
	if info.CreateTime == "" {
		return false, fmt.Errorf("JSONObject[%q] not found.", "create_time")
	}
	if _, err := time.Parse(time.DateTime, info.CreateTime); err != nil {
		return false, fmt.Errorf("failed to parse create time of repository: %s", info.CreateTime)
	}
	r.name, r.created = info.Name, info.CreateTime
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

func (c *Cluster) dropRepository(st *sqlparse.DropRepository) error {
	r := c.repos[st.Name]
	if r == nil {
		return analyzedDDL("Repository does not exist")
	}
	for _, j := range c.jobs {
		if j.repo == r && !j.finished() {
			return ddlError("Backup or restore job is running on this repository. Can not drop it")
		}
	}
	delete(c.repos, st.Name)
	return nil
}

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
		return nil, fmt.Errorf("failed to list remote path: %s. msg: %v", r.path(r.root+"__ss_*"), err)
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

// uploadMeta writes one of the FE's files: delete leftovers, write name.part, rename it to name.<md5>.
func (r *repository) uploadMeta(ctx context.Context, dir, name string, body []byte) error {
	part, final := dir+name+".part", dir+name+"."+md5hex(body)
	for _, key := range []string{part, final} {
		if err := r.store.Delete(ctx, key); err != nil {
			return fmt.Errorf("failed to delete remote path: %s. msg: %v", r.path(key), err)
		}
	}
	if err := r.put(ctx, part, body); err != nil {
		return fmt.Errorf("failed to upload file: %s. msg: %v", r.path(part), err)
	}
	if err := r.store.Copy(ctx, part, final); err != nil {
		return fmt.Errorf("failed to rename %s to %s. msg: %v", r.path(part), r.path(final), err)
	}
	if err := r.store.Delete(ctx, part); err != nil {
		return fmt.Errorf("failed to delete remote path: %s. msg: delete path %v", r.path(part), err)
	}
	return nil
}

// download fetches a file of the FE by its name without checksum, as Repository.download does.
func (r *repository) download(c *Cluster, dir, name string) ([]byte, error) {
	want := r.path(dir + name)
	keys, err := r.matching(c.ctx, dir, name)
	if err != nil {
		return nil, fmt.Errorf("failed to list remote path: %s*. msg: %v", want, err)
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
	body, err := readObject(c, r.store, keys[0])
	if err != nil {
		return nil, err
	}
	if sum := md5hex(body); sum != base[dot+1:] {
		return nil, fmt.Errorf("md5sum does not equal. local: %s, remote: %s", sum, base[dot+1:])
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
