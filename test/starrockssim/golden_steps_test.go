package starrockssim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"starkeep/storage"
)

var (
	snapshotNoteRE = regexp.MustCompile(`^snapshot (\S+) of database (\S+), table (\S+), (\d+) tablets; timestamp (\S+)$`)
	configNoteRE   = regexp.MustCompile(`^(backup_job_default_timeout_ms) is (\d+)$`)
)

// note does what some notes say was done without a step of its own.
func (p *player) note(s *step) error {
	switch {
	case snapshotNoteRE.MatchString(s.Text):
		g := snapshotNoteRE.FindStringSubmatch(s.Text)
		buckets, _ := strconv.Atoi(g[4])
		p.source(g[2], []string{g[3]}, buckets)
		p.backup("rb", g[2], g[1], g[5])
	case strings.HasPrefix(s.Text, "done to the repository: "):
		return p.damage(strings.TrimPrefix(s.Text, "done to the repository: "))
	case s.Text == "objects of the repository put back as they were, foreign files removed":
		return p.repair()
	case strings.HasPrefix(s.Text, "all holds at the BEs removed"):
		for key := range p.faults {
			p.endFaults(key)
		}
	case s.Text == "10.99.0.11 started again":
		return p.c.StartFrontend(0)
	case configNoteRE.MatchString(s.Text):
		g := configNoteRE.FindStringSubmatch(s.Text)
		p.must(fmt.Sprintf(`ADMIN SET FRONTEND CONFIG ("%s"="%s")`, g[1], g[2]))
	}
	return scopeOf(s.file).note(p, s.Text)
}

// objects compares a listing of the repository, and the text of small metadata.
func (p *player) objects(s *step) error {
	prefix := strings.TrimPrefix(s.Prefix, "/")
	store := p.bucket()
	defer store.Close()
	var keys []string
	for o, err := range store.List(p.ctx, prefix) {
		if err != nil {
			return err
		}
		keys = append(keys, o.Key)
	}
	var recorded []struct{ Key, Text string }
	want := s.Keys
	if s.Step == "objects" {
		if err := json.Unmarshal(s.Objects, &recorded); err != nil {
			return err
		}
		want = nil
		for _, o := range recorded {
			want = append(want, o.Key)
		}
	}
	if err := sameKeys(want, keys); err != nil {
		return err
	}
	for _, o := range recorded {
		if o.Text == "" {
			continue
		}
		if err := p.sameObject(store, o.Key, o.Text); err != nil {
			return fmt.Errorf("%s: %w", o.Key, err)
		}
	}
	return nil
}

func sameKeys(want, got []string) error {
	w, g := keyShapes(want), keyShapes(got)
	if slices.Equal(w, g) {
		return nil
	}
	var lines []string
	for _, k := range g {
		if !slices.Contains(w, k) {
			lines = append(lines, "+ "+k)
		}
	}
	for _, k := range w {
		if !slices.Contains(g, k) {
			lines = append(lines, "- "+k)
		}
	}
	return fmt.Errorf("%d objects, want %d\n\t%s", len(got), len(want), strings.Join(lines[:min(len(lines), 12)], "\n\t"))
}

// sameObject compares the text of a metadata object: found by its name, as far as that does not change.
func (p *player) sameObject(store storage.Store, recorded, want string) error {
	name := p.match.replace(recorded, false)
	if i := strings.LastIndex(name, "."); i > strings.LastIndex(name, "/") {
		name = name[:i+1]
	}
	for o, err := range store.List(p.ctx, name) {
		if err != nil {
			return err
		}
		body, err := readAll(p.ctx, store, o.Key)
		if err != nil {
			return err
		}
		return p.match.jsonText(want, string(body))
	}
	return fmt.Errorf("no object %s*", name)
}

func readAll(ctx context.Context, store storage.Store, key string) ([]byte, error) {
	r, err := store.Get(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// rowBefore waits for the row that was there before a cancel or a kill, and compares it.
func (p *player) rowBefore(s *step) error {
	var want map[string]*string
	if err := json.Unmarshal(s.Row, &want); err != nil {
		return err
	}
	p.releaseAll()
	kind := "BACKUP"
	if want["Label"] != nil {
		kind = "RESTORE"
	}
	text := fmt.Sprintf("SHOW %s FROM `%s`", kind, *want["DbName"])
	var got *result
	p.until(func() bool {
		r, err := p.run("", "", text)
		if err != nil || len(r.rows) == 0 {
			return false
		}
		got = r
		tasks := slices.Index(r.names(), "UnfinishedTasks")
		same := stateOf(r.names(), r.rows) == *want["State"]
		return same && strings.Count(*r.rows[0][tasks], "=") == strings.Count(*want["UnfinishedTasks"], "=") ||
			terminal(stateOf(r.names(), r.rows))
	})
	if got == nil {
		return fmt.Errorf("no row of %s", *want["DbName"])
	}
	row := make([]*string, len(got.columns))
	for i, c := range got.columns {
		row[i] = want[c.Name]
	}
	return p.match.rows(got.names(), [][]*string{row}, got.rows)
}

// contents compares what tablets hold: data that was equal must be equal, and no other.
func (p *player) contents(s *step) error {
	want := recordedTablets(*s)
	if _, state := p.looksAt(s); state != "" {
		p.until(func() bool {
			r, err := p.run("", "", "SHOW RESTORE FROM `"+s.DB+"`")
			return err == nil && stateOf(r.names(), r.rows) == state
		})
	}
	got := p.digests(s.DB, s.Table)
	if len(want) == 0 {
		if p.c.Content(s.DB, s.Table) != "no such table" {
			return fmt.Errorf("the table exists")
		}
		return nil
	}
	if len(want) != len(got) {
		return fmt.Errorf("%d tablets, want %d: %v", len(got), len(want), got)
	}
	for _, t := range want {
		name := fmt.Sprintf("%s/%d", t.Partition, t.Bucket)
		if _, ok := got[name]; !ok {
			name = fmt.Sprintf("-/%d", t.Bucket)
		}
		if err := p.sameTablet(t, got[name]); err != nil {
			return fmt.Errorf("tablet %s: %w", name, err)
		}
	}
	return nil
}

func (p *player) sameTablet(want recordedTablet, got string) error {
	if v, _ := strconv.ParseInt(want.Version, 10, 64); want.BEVersion < v {
		if text := fmt.Sprintf("unreadable: version %d of %d", want.BEVersion, v); got != text {
			return fmt.Errorf("got %q, want %q", got, text)
		}
		return nil
	}
	if empty := strings.HasPrefix(emptyMD5, want.MD5); empty || strings.HasPrefix(got, "0 rows ") {
		if empty != strings.HasPrefix(got, "0 rows ") {
			return fmt.Errorf("got %q, want md5 %s", got, want.MD5)
		}
		return nil
	}
	return p.match.bind("content "+want.MD5, fmt.Sprintf("bucket %d: %s", want.Bucket, got))
}

// check compares restored tables with what their source held at BACKUP time.
func (p *player) check(s *step) error {
	want := s.RestoredEqualsSource
	if want == nil {
		want = s.SameContentAsSource
	}
	if want == nil {
		return errLeftOut{"a check of another kind"}
	}
	text := ""
	for i := p.at; i >= 0 && text == ""; i-- {
		if strings.HasPrefix(p.steps[i].SQL, "RESTORE") && p.steps[i].Error == nil {
			text = p.steps[i].SQL
		}
	}
	g := targetRE.FindStringSubmatch(text)
	if g == nil {
		return fmt.Errorf("no RESTORE before")
	}
	table := onTable(text)
	source, ok := p.content[g[2]][table]
	if !ok {
		return fmt.Errorf("nothing is known of %s in snapshot %s", table, g[2])
	}
	if equal := p.c.Content(g[1], table) == source; equal != *want {
		return fmt.Errorf("restored equals source: %v, want %v\n%s\n%s", equal, *want, p.c.Content(g[1], table), source)
	}
	return nil
}

// compare is file 62's: tables against what they held before. The sums before it have been compared by their data, so
// that nothing is left to do but to say that it was equal.
func (p *player) compare(s *step) error {
	for part, equal := range s.EqualBytes {
		if !equal {
			return errLeftOut{"a comparison that found a difference: " + part}
		}
	}
	if p.at > 0 && p.steps[p.at-1].Step != "sums" {
		return errLeftOut{"a comparison without sums"}
	}
	return nil
}

// sameSums compares versions and data of partitions, for tables with one replica.
func (p *player) sameSums(s *step, versions map[string]string) error {
	digests := p.digests(s.DB, s.Table)
	for name, part := range s.Sums {
		if versions[name] != part.Version {
			return fmt.Errorf("partition %s has version %s, want %s", name, versions[name], part.Version)
		}
		for i, t := range part.Tablets {
			sum, _ := t[1].(string)
			digest, ok := digests[fmt.Sprintf("%s/%d", name, i)]
			if !ok {
				digest = digests[fmt.Sprintf("-/%d", i)]
			}
			if strings.HasPrefix(emptyMD5, sum) && strings.HasPrefix(digest, "0 rows ") {
				continue
			}
			if err := p.match.bind("content "+sum, fmt.Sprintf("bucket %d: %s", i, digest)); err != nil {
				return fmt.Errorf("partition %s: %w", name, err)
			}
		}
	}
	return nil
}

// digests are the lines of Content by partition and bucket.
func (p *player) digests(db, table string) map[string]string {
	out := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(p.c.Content(db, table)), "\n") {
		name, digest, _ := strings.Cut(line, " ")
		out[name] = digest
	}
	return out
}

// sums compares the visible versions of the partitions that were summed up.
func (p *player) sums(s *step) error {
	got, err := p.versions(s.DB, s.Table)
	if s.Error != nil {
		return p.sameError(s.Error, err)
	}
	if _, refused := s.Sums["error"]; refused {
		if err == nil {
			return fmt.Errorf("no error, and the recording has one")
		}
		return nil
	}
	if err != nil {
		return err
	}
	if s.Sums != nil {
		return p.sameSums(s, got)
	}
	var tablets []struct {
		Partition string
		Version   string `json:"fe_version"`
	}
	if err := json.Unmarshal(s.Tablets, &tablets); err != nil {
		return err
	}
	for _, t := range tablets {
		if got[t.Partition] != t.Version {
			return fmt.Errorf("partition %s has version %s, want %s", t.Partition, got[t.Partition], t.Version)
		}
	}
	return nil
}
