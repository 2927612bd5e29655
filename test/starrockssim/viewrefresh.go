package starrockssim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

// viewRefresh is the last refresh of a materialized view.
type viewRefresh struct {
	state    string // "SUCCESS", "SKIPPED", "FAILED"
	message  string
	force    bool
	sync     bool
	start    time.Time
	end      time.Time
	query    string
	job      string
	base, mv string           // "{b1=[p1, p2]}", "[p1, p2]"
	versions map[string]int64 // of the bases' partitions, by physical id: what the view's data was computed from
}

// refreshMV computes a materialized view's rows anew, unless its bases are as they were; then it is SKIPPED. The task
// that refreshes a view keeps the name of the database it was made in, so it fails after a rename of the database
// (starrocks-measured, part D).
func (c *Cluster) refreshMV(s *session, st *sqlparse.RefreshMaterializedView) (*mysqlwire.Result, error) {
	db, t, err := s.table(st.Name)
	if err != nil {
		return nil, err
	}
	if !t.isMV() {
		return nil, tableNotFound(st.Name.Name)
	}
	if db.name != t.view.home {
		return nil, plainError("execute task mv-%d failed: materialized view:%d in database:%s do not exist when refreshing", t.id, t.id, t.view.home)
	}
	r := &viewRefresh{force: st.Force, sync: st.Sync, start: time.Now().UTC(), query: uuid(t.id, "query"), job: uuid(t.id, "job"), base: "{}", mv: "[]"}
	err = c.refreshNow(s, db, t, r)
	r.end = time.Now().UTC()
	if err != nil {
		r.state, r.message = "FAILED", err.Error()
	}
	t.view.last = r
	if err != nil && st.Sync {
		return nil, plainError("execute task mv-%d failed: %v", t.id, err)
	}
	return answer([]string{"QUERY_ID"}, [][]any{{r.query}}), nil
}

func uuid(id int64, what string) string {
	x := md5hex([]byte(fmt.Sprint(what, id, time.Now().UnixNano())))
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:32]
}

func (c *Cluster) refreshNow(s *session, db *database, t *table, r *viewRefresh) error {
	if !t.view.active {
		return fmt.Errorf("Materialized view: %s/%d is not active due to %s", t.name, t.id, t.view.reason)
	}
	base := c.baseOf(t)
	r.versions = versionsOf(base)
	last, loaded := t.view.computed, slices.ContainsFunc(slices.Collect(maps.Values(r.versions)), func(v int64) bool { return v > 1 })
	if !r.force && base != nil && (last != nil && maps.Equal(last, r.versions) || last == nil && !loaded) {
		r.state = "SKIPPED"
		return nil
	}
	src, err := s.viewSource(t)
	if err != nil {
		return err
	}
	var rows [][]string
	for row := range src.rows {
		text := make([]string, len(row))
		for i, v := range row {
			text[i] = v.Text
			if !v.Valid {
				text[i] = null
			}
		}
		rows = append(rows, text)
	}
	if err := c.syncPartitions(t, base); err != nil {
		return err
	}
	if err := c.overwrite(db, t, rows, nil); err != nil {
		return err
	}
	r.state, t.view.computed = "SUCCESS", r.versions
	if base != nil {
		r.base, r.mv = fmt.Sprintf("{%s=[%s]}", base.name, partitionNames(base)), "["+partitionNames(t)+"]"
	}
	return nil
}

// baseOf is the table or materialized view that the view's base is attached to, by id; nil for none.
func (c *Cluster) baseOf(t *table) *table {
	for _, b := range t.view.bases {
		for _, db := range c.dbs {
			for _, x := range db.tables {
				if x.id == b.id && x.isView() {
					return c.baseOf(x)
				}
				if x.id == b.id {
					return x
				}
			}
		}
	}
	return nil
}

func versionsOf(t *table) map[string]int64 {
	versions := map[string]int64{}
	if t == nil {
		return versions
	}
	for _, p := range t.partitions {
		versions[fmt.Sprint(p.physical)] = p.visible
	}
	return versions
}

func partitionNames(t *table) string {
	var names []string
	for p := range t.shownPartitions(false) {
		names = append(names, p.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// syncPartitions gives a partitioned view the partitions that its base has.
func (c *Cluster) syncPartitions(t, base *table) error {
	if t.part.kind == unpartitioned || base == nil {
		return nil
	}
	t.partitions = slices.DeleteFunc(t.partitions, func(p *partition) bool { return base.findPartition(p.name) == nil })
	var missing []*partition
	for _, p := range base.partitions {
		if p.shadow() || t.findPartition(p.name) != nil {
			continue
		}
		fresh := t.blank(p.name)
		fresh.lower, fresh.upper, fresh.values, fresh.fixed = p.lower, p.upper, p.values, p.fixed
		missing = append(missing, fresh)
	}
	return c.attach(t, missing, false)
}

// lastRefresh are the columns of a view's row that tell of its last refresh: from LAST_REFRESH_START_TIME to
// LAST_REFRESH_ERROR_MESSAGE.
func (s *session) lastRefresh(t *table, never string) []any {
	r := t.view.last
	if r == nil {
		return []any{nil, nil, nil, never, "false", "", "", "", "", "", ""}
	}
	code := "0"
	if r.state == "FAILED" {
		code = "-1"
	}
	return []any{s.time(r.start), s.time(r.end), fmt.Sprintf("%.3f", r.end.Sub(r.start).Seconds()), r.state, fmt.Sprint(r.force), "NULL", "NULL", r.base, r.mv, code, r.message}
}

// extra is EXTRA_MESSAGE.
func (r *viewRefresh) extra() string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf(`{"queryIds":["%s"],"isManual":true,"isSync":%t,"isReplay":false,"priority":80,"lastTaskRunState":"%s"}`, r.query, r.sync, r.state)
}

// DoubtView makes one FE call a materialized view inactive until somebody activates it, as RESTORE does where FEs come to
// other conclusions (starrocks-measured B 26).
func (c *Cluster) DoubtView(fe int, db, view, reason string) error {
	c.mu.Lock()
	defer c.unlock()
	t, err := c.findTable(db, view)
	if err != nil {
		return err
	}
	if t.view.doubts == nil {
		t.view.doubts = map[int]string{}
	}
	t.view.doubts[fe] = reason
	return nil
}
