package starrockssim

import (
	"fmt"
	"slices"
	"strings"

	"starkeep/test/starrockssim/mysqlwire"
	"starkeep/test/starrockssim/sqlparse"
)

func (s *session) showSnapshot(st *sqlparse.ShowSnapshot) (*mysqlwire.Result, error) {
	c := s.c
	c.mu.Lock()
	r := c.repos[st.Repository]
	err := s.mayRepository()
	led := s.fe.led
	c.mu.Unlock()
	if r == nil {
		return nil, analyzedDDL("Repository [%s] does not exist", st.Repository)
	}
	if err != nil {
		return nil, err
	}
	where, err := snapshotWhere(st.Where)
	if err != nil {
		return nil, err
	}
	if where.timestamp != "" {
		return s.snapshotDetails(r, where.label, where.timestamp, led)
	}
	labels := where.labels
	if labels == nil || where.in {
		all, err := r.labels(c.ctx)
		if err != nil {
			return nil, ddlError("Failed to list snapshot in repo: %s, err: %v", r.name, err)
		}
		if where.in {
			all = slices.DeleteFunc(all, func(l string) bool { return !slices.Contains(labels, l) })
		}
		labels = all
	}
	var rows [][]any
	for _, label := range labels {
		timestamps, status := r.timestamps(c, label)
		rows = append(rows, []any{label, timestamps, status})
	}
	return answer(words("Snapshot Timestamp Status"), rows), nil
}

// timestamps lists what SHOW SNAPSHOT shows of a label.
func (r *repository) timestamps(c *Cluster, label string) (list any, status string) {
	keys, err := r.list(c.ctx, r.snapshotDir(label)+"__info_")
	if err != nil {
		return nil, "ERROR: Failed to get info: " + err.Error()
	}
	var found []string
	for _, key := range keys {
		name := lastPart(key)
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 || len(name)-dot-1 != 32 {
			found = append(found, "Invalid: "+name)
			continue
		}
		found = append(found, strings.TrimPrefix(name[:dot], "__info_"))
	}
	if len(found) == 0 {
		return "", "ERROR: no snapshot"
	}
	return strings.Join(found, "\n"), "OK"
}

func (s *session) snapshotDetails(r *repository, label, timestamp string, led bool) (*mysqlwire.Result, error) {
	names := words("Snapshot Timestamp Database Details Status")
	failed := func(text string) (*mysqlwire.Result, error) {
		return answer(names, [][]any{{label, timestamp, nil, nil, "Failed to get info: " + text}}), nil
	}
	if !led {
		return failed(fmt.Sprintf("failed to create local file: %s/backup/__info_%s, msg: No such file or directory", s.fe.tmpDir(), timestamp))
	}
	text, err := r.download(s.c, r.snapshotDir(label), "__info_"+timestamp)
	if err != nil {
		return failed(err.Error())
	}
	info, err := parseInfo(text)
	if err != nil {
		return nil, plainError("%v", err)
	}
	return answer(names, [][]any{{label, timestamp, info.Database, info.details(), "OK"}}), nil
}

// details is __info without ids, as org.json prints it with indent 1. backup_result is not read, and always succeed.
func (info *infoFile) details() string {
	var objects []string
	for _, name := range sortedKeys(info.Objects) {
		it := info.Objects[name]
		var parts []string
		for _, p := range sortedKeys(it.Partitions) {
			parts = append(parts, fmt.Sprintf("%q: {}", p))
		}
		body := "{" + strings.Join(parts, ", ") + "}"
		if len(parts) > 1 {
			body = "{\n   " + strings.Join(parts, ",\n   ") + "\n  }"
		}
		text := fmt.Sprintf("%q: {\"partitions\": %s}", name, body)
		if it.Auto > 0 {
			text = fmt.Sprintf("%q: {\n   \"autoIncrementId\": %d,\n   \"partitions\": %s\n  }", name, it.Auto, body)
		}
		objects = append(objects, text)
	}
	list := "{}"
	if len(objects) == 1 {
		list = "{" + objects[0] + "}"
	} else if len(objects) > 1 {
		list = "{\n  " + strings.Join(objects, ",\n  ") + "\n }"
	}
	return fmt.Sprintf("{\n \"database\": %q,\n \"meta_version\": %d,\n \"backup_time\": %d,\n \"name\": %q,\n \"starrocks_meta_version\": %d,\n \"backup_result\": \"succeed\",\n \"backup_objects\": %s\n}",
		info.Database, info.Meta, info.BackupTime, info.Name, info.SRMeta, list)
}

type snapshotFilter struct {
	label, timestamp string
	labels           []string
	in               bool
}

// snapshotWhere reads the WHERE of SHOW SNAPSHOT; operators are ignored, as the FE does.
func snapshotWhere(e sqlparse.Expr) (snapshotFilter, error) {
	var f snapshotFilter
	bad := analyzed("Where clause should looks like: SNAPSHOT = 'your_snapshot_name' [AND TIMESTAMP = '2018-04-18-19-19-10']")
	switch e := e.(type) {
	case nil:
		return f, nil
	case *sqlparse.In:
		f.in = true
		for _, x := range e.List {
			l, ok := x.(*sqlparse.Literal)
			if !ok || l.Kind != sqlparse.StringLiteral {
				return f, analyzed("Child of in predicate should be string value")
			}
			f.labels = append(f.labels, l.Value)
		}
		return f, nil
	case *sqlparse.Binary:
		if e.Op != "AND" {
			name, v, ok := nameAndText(e)
			if !ok || !strings.EqualFold(name, "SNAPSHOT") {
				return f, bad
			}
			if e.Op == "LIKE" {
				return f, nil
			}
			f.labels = []string{v}
			return f, nil
		}
		for _, side := range []sqlparse.Expr{e.Left, e.Right} {
			b, ok := side.(*sqlparse.Binary)
			if !ok {
				return f, bad
			}
			name, v, ok := nameAndText(b)
			switch {
			case ok && strings.EqualFold(name, "SNAPSHOT"):
				f.label = v
			case ok && strings.EqualFold(name, "TIMESTAMP"):
				f.timestamp = v
			default:
				return f, bad
			}
		}
		if f.label == "" || f.timestamp == "" {
			return f, bad
		}
		return f, nil
	}
	return f, bad
}

func nameAndText(b *sqlparse.Binary) (name, text string, ok bool) {
	ref, ok1 := b.Left.(*sqlparse.ColumnRef)
	l, ok2 := b.Right.(*sqlparse.Literal)
	if !ok1 || !ok2 || l.Kind != sqlparse.StringLiteral {
		return "", "", false
	}
	return ref.Parts[len(ref.Parts)-1], l.Value, true
}
