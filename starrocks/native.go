package starrocks

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The layout of a repository (facts §5.1). All keys are below the repository's location. A location with the older
// __palo_repository_ directory is not supported.
const (
	repositoryPrefix = "__starrocks_repository_"
	olderPrefix      = "__palo_repository_"
	snapshotPrefix   = "__ss_"
	contentDir       = "__ss_content"
	repoInfoName     = "__repo_info"
	infoName         = "__info_"
	metaName         = "__meta"
)

// RepositoryPrefix is the directory of a repository below its location.
func RepositoryPrefix(repository string) string { return repositoryPrefix + repository + "/" }

// OlderRepositoryPrefix is the directory that StarRocks uses instead, where there is one (facts §2.1).
func OlderRepositoryPrefix(repository string) string { return olderPrefix + repository + "/" }

// RepoInfoKey is the file that makes a directory a repository: StarRocks attaches to it, and takes name and time of
// creation from it (facts §2.1, §5.3).
func RepoInfoKey(repository string) string { return RepositoryPrefix(repository) + repoInfoName }

// Timestamp is the form of a backup_timestamp, in UTC.
func Timestamp(t time.Time) string {
	t = t.UTC()
	return t.Format("2006-01-02-15-04-05-") + fmt.Sprintf("%03d", t.Nanosecond()/int(time.Millisecond))
}

// Snapshot is a native snapshot: what one BACKUP left under a label.
type Snapshot struct{ Repository, Label string }

// Prefix is the snapshot's directory.
func (s Snapshot) Prefix() string {
	return RepositoryPrefix(s.Repository) + snapshotPrefix + s.Label + "/"
}

// Content is the directory of the tablets.
func (s Snapshot) Content() string { return s.Prefix() + contentDir + "/" }

// InfoPrefix is the beginning of the __info keys of a timestamp; of all of them if it is empty.
func (s Snapshot) InfoPrefix(timestamp string) string { return s.Prefix() + infoName + timestamp }

// InfoKey is where an __info of this content belongs. An __info makes the snapshot restorable: it is written last.
func (s Snapshot) InfoKey(timestamp string, content []byte) string {
	return s.InfoPrefix(timestamp) + "." + md5Hex(content)
}

// MetaKey is where a __meta of this content belongs.
func (s Snapshot) MetaKey(content []byte) string {
	return s.Prefix() + metaName + "." + md5Hex(content)
}

// MetaPrefix is the beginning of the __meta keys. A whole snapshot has one.
func (s Snapshot) MetaPrefix() string { return s.Prefix() + metaName }

// TabletDir is the directory that holds a tablet's files.
func (s Snapshot) TabletDir(p TabletPath) string { return s.Content() + p.dir() + "/" }

// TabletPath is where a tablet lies: ids of the source cluster at backup time. Partition is the physical partition.
type TabletPath struct{ Database, Table, Partition, Index, Tablet int64 }

func (p TabletPath) dir() string {
	return fmt.Sprintf("__db_%d/__tbl_%d/__part_%d/__idx_%d/__%d", p.Database, p.Table, p.Partition, p.Index, p.Tablet)
}

// KeyKind says what a key in a repository is.
type KeyKind int

// The kinds of keys.
const (
	KeyOther      KeyKind = iota // anything else: leftovers (".part"), directories' markers, foreign objects
	KeyRepoInfo                  // __repo_info
	KeyInfo                      // __info_<timestamp>.<md5>
	KeyMeta                      // __meta.<md5>
	KeyTabletFile                // an object directly in a tablet's directory, also a leftover or foreign one
)

// NativeKey is a key of a repository, taken apart.
type NativeKey struct {
	Repository string
	Label      string // empty for __repo_info
	Kind       KeyKind
	Timestamp  string // KeyInfo
	MD5        string // 32 lower-case hex digits; empty if the name does not end in them
	Tablet     TabletPath
	File       string // KeyTabletFile: the name without MD5; KeyOther: what follows the snapshot's, or the repository's, directory
}

var (
	tabletKey = regexp.MustCompile(`^__ss_content/__db_(\d+)/__tbl_(\d+)/__part_(\d+)/__idx_(\d+)/__(\d+)/([^/]+)$`)
	infoKey   = regexp.MustCompile(`^__info_(\d{4}(?:-\d{2}){5}-\d{3})$`)
	md5Suffix = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// ParseKey takes a key below a repository's location apart. Keys outside of a repository's directory are an error.
func ParseKey(key string) (NativeKey, error) {
	rest, found := strings.CutPrefix(key, repositoryPrefix)
	repository, rest, deep := strings.Cut(rest, "/")
	if !found || !deep || repository == "" {
		return NativeKey{}, fmt.Errorf("key %q is not in a StarRocks repository", key)
	}
	k := NativeKey{Repository: repository, File: rest}
	if rest == repoInfoName {
		k.Kind, k.File = KeyRepoInfo, ""
		return k, nil
	}
	inner, found := strings.CutPrefix(rest, snapshotPrefix)
	label, name, deep := strings.Cut(inner, "/")
	if !found || !deep || label == "" {
		return k, nil
	}
	k.Label, k.File = label, name
	k.parseName(name)
	return k, nil
}

// parseName finds out what the name below a snapshot's directory is.
func (k *NativeKey) parseName(name string) {
	if tablet, file, ok := parseTabletName(name); ok {
		k.Kind, k.Tablet = KeyTabletFile, tablet
		k.File, k.MD5 = cutMD5(file)
		return
	}
	base, sum := cutMD5(name)
	if sum == "" {
		return
	}
	if base == metaName {
		k.Kind, k.MD5, k.File = KeyMeta, sum, ""
		return
	}
	if m := infoKey.FindStringSubmatch(base); m != nil {
		k.Kind, k.MD5, k.Timestamp, k.File = KeyInfo, sum, m[1], ""
	}
}

func parseTabletName(name string) (p TabletPath, file string, ok bool) {
	m := tabletKey.FindStringSubmatch(name)
	if m == nil {
		return p, "", false
	}
	for i, to := range []*int64{&p.Database, &p.Table, &p.Partition, &p.Index, &p.Tablet} {
		n, err := strconv.ParseInt(m[i+1], 10, 64)
		if err != nil {
			return TabletPath{}, "", false
		}
		*to = n
	}
	if !strings.HasPrefix(name, contentDir+"/"+p.dir()+"/") { // leading zeros
		return TabletPath{}, "", false
	}
	return p, m[6], true
}

// cutMD5 splits "name.<md5>"; the MD5 is empty if the name does not end in one.
func cutMD5(name string) (base, sum string) {
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 || !md5Suffix.MatchString(name[dot+1:]) {
		return name, ""
	}
	return name[:dot], name[dot+1:]
}

// Key puts the parts together again: ParseKey(k).Key() == k.
func (k NativeKey) Key() string {
	if k.Kind == KeyRepoInfo {
		return RepositoryPrefix(k.Repository) + repoInfoName
	}
	if k.Label == "" {
		return RepositoryPrefix(k.Repository) + k.File
	}
	s := Snapshot{k.Repository, k.Label}
	name := k.File
	if k.MD5 != "" {
		name += "." + k.MD5
	}
	switch k.Kind {
	case KeyInfo:
		return s.InfoPrefix(k.Timestamp) + name
	case KeyMeta:
		return s.Prefix() + metaName + name
	case KeyTabletFile:
		return s.TabletDir(k.Tablet) + name
	default:
		return s.Prefix() + name
	}
}

func md5Hex(content []byte) string {
	sum := md5.Sum(content)
	return hex.EncodeToString(sum[:])
}
