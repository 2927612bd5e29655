package restorepoint

import (
	"fmt"
	"iter"
	"strings"

	"starkeep/starrocks"
)

// CheckSnapshot tells whether a native snapshot is what its __info says (design §6 rule 13): one __info and one
// __meta, every tablet's directory with exactly one header, no file in two versions, nothing that a BE would stumble
// over. It reads no content. objects are all below the snapshot's prefix, in ascending order of keys. ours tells
// whether a further __info was written by starkeep (its inner name begins with sk_beside_); it is asked only if there
// is more than one. The error is that of objects; findings mean nothing then.
func CheckSnapshot(at starrocks.Snapshot, info *starrocks.Info, objects iter.Seq2[Object, error], ours func(key string) bool) (*Findings, error) {
	c := snapshotCheck{at: at, places: Places{}, tablets: map[starrocks.TabletPath]bool{}, files: oldFileLists(info)}
	for t := range info.Tablets() {
		c.tablets[t.Path] = false
		c.places[t.Path.Partition] = Place{Table: t.Table, Partition: t.Partition}
	}
	last := ""
	for o, err := range objects {
		if err != nil {
			return nil, err
		}
		if o.Key <= last {
			return nil, fmt.Errorf("check of %s: key %q after %q: not in ascending order", at.Prefix(), o.Key, last)
		}
		last = o.Key
		c.object(o)
	}
	c.endTablet()
	c.endSnapshot(info, ours)
	return &c.found, nil
}

// snapshotCheck is a check in progress: the objects of one tablet come one after another.
type snapshotCheck struct {
	at      starrocks.Snapshot
	places  Places
	tablets map[starrocks.TabletPath]bool // of __info; true: its directory was seen
	files   map[starrocks.TabletPath][]string
	found   Findings

	infos, metas []string

	inTablet bool
	tablet   starrocks.NativeKey // of the current directory
	names    map[string]string   // file names in it, without MD5 -> with it
}

func (c *snapshotCheck) object(o Object) {
	key, err := starrocks.ParseKey(o.Key)
	if err != nil || key.Repository != c.at.Repository || key.Label != c.at.Label {
		c.found.add(Problem{Kind: ProblemForeign, Key: o.Key, Detail: "is not part of the snapshot " + c.at.Label})
		return
	}
	if c.inTablet && (key.Kind != starrocks.KeyTabletFile || key.Tablet != c.tablet.Tablet) {
		c.endTablet()
	}
	switch key.Kind {
	case starrocks.KeyInfo:
		c.infos = append(c.infos, o.Key)
	case starrocks.KeyMeta:
		c.metas = append(c.metas, o.Key)
	case starrocks.KeyTabletFile:
		c.file(key, o.Key)
	default:
		if disturbing(key) {
			c.found.add(Problem{Kind: ProblemForeign, Key: o.Key, Detail: "stands beside __info or __meta and may be taken for it"})
		}
	}
}

// file takes in one object of a tablet's directory.
func (c *snapshotCheck) file(key starrocks.NativeKey, name string) {
	if !c.inTablet {
		c.inTablet, c.tablet, c.names = true, key, map[string]string{}
	}
	if disturbing(key) {
		c.found.add(c.places.problemAt(ProblemForeign, key, name, foreignFile))
		return
	}
	if key.MD5 == "" {
		return
	}
	if other, twice := c.names[key.File]; twice {
		c.found.add(c.places.problemAt(ProblemDouble, key, name, fmt.Sprintf("the file %q is there with two MD5 sums, the other is %s", key.File, other)))
		return
	}
	c.names[key.File] = key.MD5
}

const foreignFile = "has no MD5 ending: no file of StarRocks, or a leftover of an upload; a BE would try to load it"

// disturbing tells of an object that StarRocks would take for one of its own: a name with a dot but without MD5 in a
// tablet's directory (facts §6.4), or something that begins like __info or __meta.
func disturbing(key starrocks.NativeKey) bool {
	switch key.Kind {
	case starrocks.KeyTabletFile:
		return key.MD5 == "" && strings.Contains(key.File, ".") && !strings.HasSuffix(key.File, ".")
	case starrocks.KeyOther:
		return key.Label != "" && (strings.HasPrefix(key.File, "__info_") || strings.HasPrefix(key.File, "__meta"))
	}
	return false
}

// endTablet judges the directory that is complete now.
func (c *snapshotCheck) endTablet() {
	if !c.inTablet {
		return
	}
	c.inTablet = false
	path := c.tablet.Tablet
	if _, ok := c.tablets[path]; !ok {
		return // a tablet that __info does not name is never read
	}
	c.tablets[path] = true
	header := fmt.Sprintf("%d.hdr", path.Tablet)
	_, hasHeader := c.names[header]
	_, hasMeta := c.names["meta"]
	for name := range c.names {
		if strings.HasSuffix(name, ".hdr") && name != header {
			c.tabletProblem(ProblemForeign, path, fmt.Sprintf("holds %s, the header of another tablet", name))
		}
	}
	switch {
	case hasHeader && hasMeta:
		c.tabletProblem(ProblemDouble, path, "has both a .hdr and a meta file")
	case !hasHeader && !hasMeta:
		c.tabletProblem(ProblemMissing, path, "has neither a .hdr nor a meta file")
	}
	for _, file := range c.files[path] {
		if base, sum := cutLastDot(file); c.names[base] != sum {
			c.tabletProblem(ProblemMissing, path, fmt.Sprintf("lacks %s, which __info names", file))
		}
	}
}

func (c *snapshotCheck) tabletProblem(kind ProblemKind, path starrocks.TabletPath, detail string) {
	c.found.add(c.places.problemAt(kind, starrocks.NativeKey{Tablet: path}, c.at.TabletDir(path), detail))
}

func (c *snapshotCheck) endSnapshot(info *starrocks.Info, ours func(string) bool) {
	for t := range info.Tablets() {
		if !c.tablets[t.Path] {
			c.tabletProblem(ProblemMissing, t.Path, "the tablet's directory is missing")
		}
	}
	infos := c.infos
	if len(infos) > 1 {
		infos = nil
		for _, key := range c.infos {
			if !ours(key) {
				infos = append(infos, key)
			}
		}
	}
	c.exactlyOne("__info_<timestamp>", infos)
	c.exactlyOne("__meta", c.metas)
}

func (c *snapshotCheck) exactlyOne(what string, keys []string) {
	if len(keys) == 0 {
		c.found.add(Problem{Kind: ProblemMissing, Key: c.at.Prefix(), Detail: "has no " + what + ".<md5>"})
	}
	for _, key := range keys[min(1, len(keys)):] {
		c.found.add(Problem{Kind: ProblemDouble, Key: key, Detail: fmt.Sprintf("there is more than one %s.<md5>: %q too", what, keys[0])})
	}
}

// oldFileLists are the files by tablet that writers up to 3.3 put into __info.
func oldFileLists(info *starrocks.Info) map[starrocks.TabletPath][]string {
	lists := map[starrocks.TabletPath][]string{}
	for _, t := range info.Tables {
		for _, p := range t.Partitions {
			for _, ph := range p.Physical {
				for _, x := range ph.Indexes {
					for tablet, files := range x.Files {
						path := starrocks.TabletPath{Database: info.DatabaseID, Table: t.ID, Partition: ph.ID, Index: x.ID, Tablet: tablet}
						lists[path] = files
					}
				}
			}
		}
	}
	return lists
}

func cutLastDot(name string) (base, ending string) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return name, ""
	}
	return name[:dot], name[dot+1:]
}

// CheckPresent compares what is in a native snapshot now with what was written down about it: every expected object
// must be there with its size, and with its MD5 where the listed one has one (of the content, not of its name), and
// nothing that StarRocks would stumble over may have come. Both sequences ascend by
// key and cover the same parts of the snapshot (OfPartitions). ours as in CheckSnapshot, asked for each further __info.
func CheckPresent(expected, listed iter.Seq2[Object, error], places Places, ours func(key string) bool) (*Findings, error) {
	found := &Findings{}
	if err := EachAbsent(expected, listed, places, ours, found.add); err != nil {
		return nil, err
	}
	return found, nil
}

// EachAbsent is CheckPresent that tells each problem, however many there are, as it is found.
func EachAbsent(expected, listed iter.Seq2[Object, error], places Places, ours func(key string) bool, tell func(Problem)) error {
	c := presentCheck{places: places, ours: ours, tell: tell}
	next, stop := iter.Pull2(listed)
	defer stop()
	have, err, more := next()
	for want, failed := range expected {
		if failed != nil {
			return failed
		}
		for more && err == nil && have.Key < want.Key {
			c.extra(have.Key)
			have, err, more = next()
		}
		if more && err != nil {
			return err
		}
		if !more || have.Key != want.Key {
			c.add(ProblemMissing, want.Key, fmt.Sprintf("is missing (%d bytes)", want.Size))
			continue
		}
		switch {
		case have.Size != want.Size:
			c.add(ProblemSize, want.Key, fmt.Sprintf("has %d bytes, was written with %d", have.Size, want.Size))
		case have.MD5 != "" && want.MD5 != "" && have.MD5 != want.MD5:
			c.add(ProblemContent, want.Key, fmt.Sprintf("has another content than was written: its MD5 is %s", have.MD5))
		}
		have, err, more = next()
	}
	for more && err == nil {
		c.extra(have.Key)
		have, err, more = next()
	}
	if err != nil {
		return err
	}
	return nil
}

type presentCheck struct {
	places Places
	ours   func(string) bool
	tell   func(Problem)
}

func (c *presentCheck) add(kind ProblemKind, name, detail string) {
	key, err := starrocks.ParseKey(name)
	if err != nil {
		key = starrocks.NativeKey{}
	}
	c.tell(c.places.problemAt(kind, key, name, detail))
}

// extra judges an object that was not there when the snapshot was recorded.
func (c *presentCheck) extra(name string) {
	key, err := starrocks.ParseKey(name)
	switch {
	case err != nil || disturbing(key):
		c.add(ProblemForeign, name, "was not there when the snapshot was taken")
	case key.Kind == starrocks.KeyInfo && !c.ours(name), key.Kind == starrocks.KeyMeta,
		key.Kind == starrocks.KeyTabletFile && key.MD5 != "":
		c.add(ProblemDouble, name, "was not there when the snapshot was taken, and StarRocks may take it for the right one")
	}
}

// OfPartitions leaves only what a RESTORE of some partitions reads: __info, __meta and the tablets of those physical
// partitions.
func OfPartitions(objects iter.Seq2[Object, error], physical map[int64]bool) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for o, err := range objects {
			if err == nil {
				key, bad := starrocks.ParseKey(o.Key)
				if bad == nil && key.Kind == starrocks.KeyTabletFile && !physical[key.Tablet.Partition] {
					continue
				}
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
