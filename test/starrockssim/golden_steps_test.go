package starrockssim_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"starkeep/storage"
	"starkeep/test/starrockssim"
	"starkeep/test/starrockssim/sqlparse"
)

// loadAnswer is what the stand-in BE said of a load.
type loadAnswer struct {
	Status     string
	Partitions map[string]int
	Versions   map[string]int64 `json:"visible_versions"`
}

// load brings rows into every bucket of the partitions that the recorded load touched.
func (p *player) load(s *step) error {
	var want loadAnswer
	if err := json.Unmarshal(s.Answer, &want); err != nil {
		return err
	}
	rows, err := p.rowsFor(s, want)
	if err != nil {
		return err
	}
	err = p.c.Load(s.DB, s.Table, rows...)
	if (err == nil) != (want.Status == "OK") {
		return fmt.Errorf("load: %v, recorded %s", err, want.Status)
	}
	if err != nil {
		return nil
	}
	got, err := p.versions(s.DB, s.Table)
	if err != nil {
		return err
	}
	for name, v := range want.Versions {
		if got[name] != fmt.Sprint(v) {
			return fmt.Errorf("partition %s has version %s, want %d", name, got[name], v)
		}
	}
	return nil
}

func (p *player) versions(db, table string) (map[string]string, error) {
	r, err := p.run("", "", fmt.Sprintf("SHOW PARTITIONS FROM `%s`.`%s`", db, table))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	name, version := slices.Index(r.names(), "PartitionName"), slices.Index(r.names(), "VisibleVersion")
	for _, row := range r.rows {
		out[*row[name]] = *row[version]
	}
	return out, nil
}

// rowsFor makes rows by the table's own DDL: enough of them that no bucket stays empty.
func (p *player) rowsFor(s *step, want loadAnswer) ([][]string, error) {
	r, err := p.run("", "", fmt.Sprintf("SHOW CREATE TABLE `%s`.`%s`", s.DB, s.Table))
	if err != nil {
		return nil, err
	}
	parsed, err := sqlparse.Parse(strings.TrimSuffix(*r.rows[0][1], ";"))
	if err != nil {
		return nil, err
	}
	ddl, ok := parsed[0].(*sqlparse.CreateTable)
	if !ok {
		return nil, fmt.Errorf("%s is not a table", s.Table)
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(want.Partitions)) {
		for range 40 {
			p.serial++
			row := make([]string, 0, len(ddl.Columns))
			for _, c := range ddl.Columns {
				row = append(row, p.valueFor(ddl, c, name, s.Value))
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (p *player) valueFor(ddl *sqlparse.CreateTable, c sqlparse.Column, partition, value string) string {
	if slices.Contains(ddl.PartitionBy.Columns, c.Name) {
		if value != "" {
			return value
		}
		return partitionValue(ddl, slices.Index(ddl.PartitionBy.Columns, c.Name), partition)
	}
	switch {
	case strings.HasPrefix(c.Type, "date"):
		return "2025-01-15"
	case strings.Contains(c.Type, "char") || c.Type == "string":
		return fmt.Sprintf("v%d", p.serial)
	}
	return strconv.Itoa(p.serial)
}

// partitionValue is a value of the partition column that belongs into the partition.
func partitionValue(ddl *sqlparse.CreateTable, column int, partition string) string {
	for _, d := range ddl.PartitionBy.Partitions {
		if d.Name != partition {
			continue
		}
		switch {
		case d.In != nil:
			return d.In[0][column]
		case d.To != nil:
			return before(d.To[column])
		case d.LessThan != nil:
			return before(d.LessThan[column])
		}
	}
	digits := strings.TrimPrefix(partition, "p")
	for _, form := range []string{"20060102", "200601", "2006"} {
		if t, err := time.Parse(form, digits); err == nil {
			return t.Format(time.DateOnly)
		}
	}
	return "1"
}

// before is the value right before an upper bound.
func before(b sqlparse.Bound) string {
	if b.Max {
		return "2030-01-01"
	}
	if t, err := time.Parse(time.DateOnly, b.Value); err == nil {
		return t.AddDate(0, 0, -1).Format(time.DateOnly)
	}
	n, _ := strconv.Atoi(b.Value)
	return strconv.Itoa(n - 1)
}

// backend puts a fault into backends, or takes it away.
func (p *player) backend(s *step) error {
	switch s.Action {
	case "hold":
		for _, f := range p.faultsOf(s) {
			p.addFault(s, p.c.HoldTasks(f))
		}
		p.releaseAll()
		return nil
	case "fail":
		for _, f := range p.faultsOf(s) {
			f.Error, f.AfterFiles = s.message(), s.AfterFiles
			p.addFault(s, p.c.FailTasks(f))
		}
		return nil
	case "drop":
		for _, f := range p.faultsOf(s) {
			f.DropAnswer, f.StaysReported = s.Keep == 0, s.Keep != 0
			p.addFault(s, p.c.FailTasks(f))
		}
		return nil
	case "compact":
		db, table, _ := p.tabletsOf(*s.Tablet)
		return p.c.Compact(db, table)
	case "restart":
		p.c.RestartBackend(backendIndex(s.BE))
		return nil
	case "release", "clear", "remove_rules":
		for key := range p.faults {
			if s.Type == "" && (s.BE == "*" || strings.HasPrefix(key, s.BE+"/")) || key == s.BE+"/"+s.Type {
				p.endFaults(key)
			}
		}
		return nil
	case "down":
		p.c.StopBackend(backendIndex(s.BE))
		return nil
	case "hang":
		p.c.HangBackend(backendIndex(s.BE))
		return nil
	case "up again":
		p.c.StartBackend(backendIndex(s.BE))
		return nil
	}
	return errLeftOut{"a fault that has no counterpart: " + s.Action}
}

// releaseAll ends the hold on everything, once the recording has placed its own.
func (p *player) releaseAll() {
	if p.held != nil {
		p.held()
		p.held = nil
	}
}

// message is the text of a fault: a BE's error may have several.
func (s *step) message() string {
	var list []string
	if json.Unmarshal(s.Msg, &list) == nil {
		return strings.Join(list, ",")
	}
	var one string
	json.Unmarshal(s.Msg, &one)
	return one
}

func backendIndex(name string) int {
	n, _ := strconv.Atoi(strings.TrimPrefix(name, "be"))
	return max(0, n-1)
}

func (p *player) addFault(s *step, end func()) {
	key := s.BE + "/" + s.Type
	p.faults[key] = append(p.faults[key], end)
}

func (p *player) endFaults(key string) {
	for _, end := range p.faults[key] {
		end()
	}
	delete(p.faults, key)
}

// faultsOf translates the selector of a recorded fault: backends by number, tablets by their place in the table.
func (p *player) faultsOf(s *step) []starrockssim.Fault {
	base := starrockssim.Fault{Type: s.Type, Times: -1}
	if s.N != nil {
		base.Times = *s.N
	}
	if s.BE != "*" && s.BE != "" {
		base.Backend = p.c.BackendIDs()[backendIndex(s.BE)]
	}
	var recorded []int64
	if s.Tablet != nil {
		recorded = []int64{*s.Tablet}
	} else if json.Unmarshal(s.Tablets, &recorded) != nil || len(recorded) == 0 {
		return []starrockssim.Fault{base}
	}
	var out []starrockssim.Fault
	for _, id := range recorded {
		f := base
		f.Tablet = p.tablet(id)
		out = append(out, f)
	}
	return out
}

// tablet finds the simulator's tablet for a recorded one: the one of the same rank among all of its table.
func (p *player) tablet(recorded int64) int64 {
	db, table, all := p.tabletsOf(recorded)
	if db == "" {
		return -1
	}
	var ids []int64
	p.until(func() bool {
		ids = p.actualTablets(db, table)
		return len(ids) == len(all)
	})
	at := slices.Index(all, recorded)
	if at < 0 || at >= len(ids) {
		return -1
	}
	return ids[at]
}

func (p *player) actualTablets(db, table string) []int64 {
	r, err := p.run("", "", fmt.Sprintf("SHOW TABLET FROM `%s`.`%s`", db, table))
	if err != nil {
		return nil
	}
	var ids []int64
	at := slices.Index(r.names(), "TabletId")
	for _, row := range r.rows {
		id, _ := strconv.ParseInt(*row[at], 10, 64)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// tabletsOf finds a recorded tablet in the recording: database, table, and all tablets of it in order. Without a
// content step it is the table that was made last, and all tablets that are named with it.
func (p *player) tabletsOf(recorded int64) (db, table string, all []int64) {
	for _, s := range p.steps {
		if s.Step != "content" {
			continue
		}
		var ids []int64
		for _, t := range recordedTablets(s) {
			ids = append(ids, t.Tablet)
		}
		slices.Sort(ids)
		if slices.Contains(ids, recorded) {
			return s.DB, s.Table, slices.Compact(ids)
		}
	}
	for _, s := range p.steps {
		var ids []int64
		if s.Step == "be" && json.Unmarshal(s.Tablets, &ids) == nil && slices.Contains(ids, recorded) && len(ids) > len(all) {
			all = ids
		}
	}
	slices.Sort(all)
	for _, s := range p.steps {
		if s.Step == "load" {
			return s.DB, s.Table, all
		}
		if g := targetRE.FindStringSubmatch(s.SQL); g != nil && strings.HasPrefix(s.SQL, "RESTORE") {
			return g[1], onTable(s.SQL), all
		}
	}
	return "", "", nil
}

var onRE = regexp.MustCompile("ON \\(`?([^`)]+)`?\\)")

func onTable(text string) string {
	if g := onRE.FindStringSubmatch(text); g != nil {
		return g[1]
	}
	return ""
}

type recordedTablet struct {
	Partition string
	Version   string `json:"visible_version"`
	Bucket    int
	Tablet    int64
	BEVersion int64 `json:"be_version"`
	MD5       string
}

func recordedTablets(s step) []recordedTablet {
	var out []recordedTablet
	json.Unmarshal(s.Tablets, &out)
	return out
}

// frontend kills FEs and starts them again.
func (p *player) frontend(s *step) error {
	switch {
	case strings.Contains(s.Action, "leader") && strings.Contains(s.Action, "killed"):
		p.c.KillLeader()
		for key := range p.faults {
			p.endFaults(key) // "holds at the BE removed", noted later
		}
		p.until(func() bool { return p.c.Leader() > 0 })
		return nil
	case strings.HasPrefix(s.Action, "kill"):
		p.c.StopFrontend(0)
		return nil
	case s.Action == "started again", s.Action == "start":
		return p.c.StartFrontend(0)
	case s.Action == "restart":
		return p.c.RestartFrontend()
	}
	return errLeftOut{"an action that has no counterpart: " + s.Action}
}

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
