package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

const (
	// statusPage bounds the databases in one answer.
	statusPage = 1000
	// maxStatusPoints bounds how many restore points back a repository is looked through for one that holds a database.
	maxStatusPoints = 1000
)

// status tells how old the newest restore points of each database are. What cannot be asked is named, and does not hide the
// rest.
func (a *Activities) status(ctx context.Context, in spec.Inspect) (spec.InspectResult, error) {
	clusters := sortedNames(a.clusters)
	if in.Cluster != "" {
		if _, err := a.cluster(in.Cluster); err != nil {
			return spec.InspectResult{}, err
		}
		clusters = []string{in.Cluster}
	}
	out := &spec.Status{Databases: []spec.DatabaseStatus{}}
	for _, name := range clusters {
		s := &statusReader{a: a, cluster: name, out: out, rows: map[string]*spec.DatabaseStatus{}, covered: map[string]*covered{}}
		if err := s.read(ctx); err != nil {
			return spec.InspectResult{}, err
		}
	}
	answer := spec.InspectResult{Status: out, Timetable: &a.Timetable}
	out.Databases = slices.DeleteFunc(out.Databases, func(d spec.DatabaseStatus) bool { return pageKey(d) <= in.Page })
	if len(out.Databases) > statusPage {
		out.Databases = out.Databases[:statusPage]
		answer.NextPage = pageKey(out.Databases[statusPage-1])
	}
	return answer, nil
}

// pageKey is what answers are sorted by.
func pageKey(d spec.DatabaseStatus) string { return d.Cluster + "/" + d.Database }

// statusReader looks at all that there is of one cluster.
type statusReader struct {
	a       *Activities
	cluster string
	out     *spec.Status
	rows    map[string]*spec.DatabaseStatus // by database
	blind   bool                            // the cluster does not answer: databases are those that points hold
	covered map[string]*covered             // by restore point
}

// covered is what a restore point has of each database.
type covered struct {
	at        time.Time
	selection restorepoint.Selection
	guessed   bool            // what was asked for is not known any more
	held      map[string]bool // true: nothing is missing that was asked for
}

// whole tells whether all of a database is there that is to be backed up.
func (c *covered) whole(database string) bool {
	return c.held[database] && !c.guessed && c.selection.AsksForAll(database)
}

func (s *statusReader) read(ctx context.Context) error {
	steps := []func(context.Context) error{s.databases}
	for _, name := range sortedNames(s.a.repositories) {
		steps = append(steps, func(ctx context.Context) error { return s.repository(ctx, s.a.repositories[name]) })
	}
	for _, name := range sortedNames(s.a.mirrors) {
		steps = append(steps, func(ctx context.Context) error { return s.copies(ctx, s.a.mirrors[name]) })
	}
	for _, step := range steps {
		err := step(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.out.Unknown = append(s.out.Unknown, fmt.Sprintf("cluster %s: %v", s.cluster, err))
		}
	}
	for _, database := range slices.Sorted(maps.Keys(s.rows)) {
		row := s.rows[database]
		if row.Good != nil && row.Part != nil && row.Part.At <= row.Good.At {
			row.Part = nil
		}
		if row.Good == nil && row.Part == nil && !s.holdsAnything(ctx, database) {
			continue
		}
		s.out.Databases = append(s.out.Databases, *row)
	}
	return nil
}

// databases lists those of the cluster.
func (s *statusReader) databases(ctx context.Context) error {
	names, err := s.a.clusters[s.cluster].FE.Databases(ctx)
	if err != nil {
		s.blind = true
		return fmt.Errorf("its databases cannot be listed, those that restore points hold are shown: %w", err)
	}
	for _, name := range names {
		if !restorepoint.IsScratch(name) && !restorepoint.IsDrill(name) {
			s.row(name)
		}
	}
	return nil
}

// row finds a database's row; nil where the cluster has no such database any more.
func (s *statusReader) row(database string) *spec.DatabaseStatus {
	if s.rows[database] == nil {
		s.rows[database] = &spec.DatabaseStatus{Cluster: s.cluster, Database: database, Goal: s.a.goalFor(s.cluster, database)}
	}
	return s.rows[database]
}

// holdsAnything tells whether a database that no point holds has anything to lose.
func (s *statusReader) holdsAnything(ctx context.Context, database string) bool {
	tables, err := s.a.clusters[s.cluster].FE.Tables(ctx, database)
	return err != nil || len(tables) > 0
}

// goalFor finds the goal of a database: the first that matches. nil if there is none.
func (a *Activities) goalFor(cluster, database string) *spec.Goal {
	for i, g := range a.Timetable.Goals {
		selection, err := restorepoint.NewSelection(g.Databases, nil)
		if err == nil && g.Cluster == cluster && selection.Database(database) {
			return &a.Timetable.Goals[i]
		}
	}
	return nil
}

// repository looks at one repository's points of the cluster, their verifications and drills, and the mirrors that they were
// to be copied to.
func (s *statusReader) repository(ctx context.Context, r *Repository) error {
	files, err := pointFiles(ctx, r.Store, s.cluster)
	if err != nil {
		return fmt.Errorf("restore points in %s: %w", r.Name, err)
	}
	if err := s.points(ctx, r, files, true); err != nil {
		return fmt.Errorf("restore points in %s: %w", r.Name, err)
	}
	if err := s.drills(ctx, r, files); err != nil {
		return fmt.Errorf("drills in %s: %w", r.Name, err)
	}
	for _, name := range sortedNames(s.a.mirrors) {
		if err := s.mirror(ctx, r, files.ids, s.a.mirrors[name]); err != nil {
			return fmt.Errorf("mirror %s of %s: %w", name, r.Name, err)
		}
	}
	return nil
}

// copies looks at what was verified of the copies in a mirror.
func (s *statusReader) copies(ctx context.Context, m *Repository) error {
	files, err := pointFiles(ctx, m.Store, s.cluster)
	if err == nil {
		err = s.points(ctx, m, files, false)
	}
	if err != nil {
		return fmt.Errorf("restore points in mirror %s: %w", m.Name, err)
	}
	return nil
}

// points finds the newest points of each database, the newest first: good ones if good is set, and verified ones.
func (s *statusReader) points(ctx context.Context, r *Repository, files pointKeys, good bool) error {
	looked := 0
	for _, id := range slices.Backward(files.ids) {
		verified := len(files.verifications[id]) > 0 && s.news(id, func(d *spec.DatabaseStatus) *spec.DatabasePoint { return d.Verified })
		if !verified && !(good && s.news(id, func(d *spec.DatabaseStatus) *spec.DatabasePoint { return d.Good })) {
			continue
		}
		if looked++; looked > maxStatusPoints {
			s.out.Unknown = append(s.out.Unknown, fmt.Sprintf("cluster %s: only the newest %d restore points in %s were looked at", s.cluster, maxStatusPoints, r.Name))
			return nil
		}
		activity.RecordHeartbeat(ctx, id)
		err := s.point(ctx, r, id, files.verifications[id], good)
		switch {
		case errors.Is(err, storage.ErrNotFound): // pruned meanwhile
		case errors.Is(err, restorepoint.ErrFormat):
			s.out.Unknown = append(s.out.Unknown, fmt.Sprintf("cluster %s, %s: %v", s.cluster, r.Name, err))
		case err != nil:
			return err
		}
	}
	return nil
}

// point notes what one restore point is for each database that it holds. One whose last verification found damage is not good.
func (s *statusReader) point(ctx context.Context, r *Repository, id string, verifications []string, good bool) error {
	result := ""
	if len(verifications) > 0 {
		last, err := readVerification(ctx, r.Store, verifications[len(verifications)-1])
		if err != nil {
			return err
		}
		result = last.Result
	}
	c, err := s.cover(ctx, r, id)
	if err != nil {
		return err
	}
	for database := range c.held {
		if s.rows[database] == nil && !s.blind {
			continue
		}
		row, p, whole := s.row(database), spec.DatabasePoint{Point: id, At: utc(c.at), Where: r.Name}, c.whole(database)
		switch {
		case whole && good && result != restorepoint.VerifiedDamaged:
			row.Good = newer(row.Good, p)
		case good:
			row.Part = newer(row.Part, p)
		}
		if whole && result == restorepoint.VerifiedOK {
			row.Verified = newer(row.Verified, p)
		}
	}
	return nil
}

// news tells whether a point of this id may be newer than what is known of some database.
func (s *statusReader) news(id string, known func(*spec.DatabaseStatus) *spec.DatabasePoint) bool {
	at, err := restorepoint.ParsePointID(id)
	if err != nil || s.blind {
		return err == nil
	}
	for _, row := range s.rows {
		if last := known(row); last == nil || last.At < utc(at) {
			return true
		}
	}
	return false
}

func newer(a *spec.DatabasePoint, b spec.DatabasePoint) *spec.DatabasePoint {
	if a != nil && a.At >= b.At {
		return a
	}
	return &b
}

// cover reads what a restore point has of each database; of a point that cannot be news, that it has none.
func (s *statusReader) cover(ctx context.Context, r *Repository, id string) (*covered, error) {
	if c := s.covered[id]; c != nil {
		return c, nil
	}
	c, err := s.readCover(ctx, r, id)
	if err == nil {
		s.covered[id] = c
	}
	return c, err
}

func (s *statusReader) readCover(ctx context.Context, r *Repository, id string) (*covered, error) {
	head, err := readHead(ctx, r.Store, s.cluster, id)
	if err != nil {
		return nil, fmt.Errorf("restore point %s: %w", id, err)
	}
	c := &covered{at: head.CreatedAt}
	if head.Tags[spec.TagBeforeOverwrite] != "" || head.Origin == restorepoint.OriginAdopted {
		return c, nil
	}
	known := false
	if c.selection, known, err = pointSelection(ctx, r.Store, s.cluster, id); err != nil {
		return nil, err
	}
	c.guessed = !known
	if !s.blind && !slices.ContainsFunc(slices.Collect(maps.Keys(s.rows)), c.selection.Database) {
		return c, nil
	}
	body, err := r.Store.Get(ctx, restorepoint.ManifestKey(s.cluster, id), 0, -1)
	if err != nil {
		return nil, fmt.Errorf("restore point %s: %w", id, err)
	}
	defer body.Close()
	if c.held, err = restorepoint.ReadCoverage(body); err != nil {
		return nil, fmt.Errorf("restore point %s: %w", id, err)
	}
	return c, nil
}

func (s *statusReader) drills(ctx context.Context, r *Repository, files pointKeys) error {
	return eachDrill(ctx, r.Store, files, func(d restorepoint.DrillRecord) {
		for _, t := range d.Tables {
			if row := s.rows[t.Database]; row != nil && t.Proven {
				row.Drilled = newer(row.Drilled, spec.DatabasePoint{Point: d.Point, At: utc(d.At), Where: r.Name})
			}
		}
	})
}

// mirror tells which points of a repository the mirror lacks although they were to be copied there: the newest are looked at.
func (s *statusReader) mirror(ctx context.Context, r *Repository, ids []string, m *Repository) error {
	there, err := pointFiles(ctx, m.Store, s.cluster)
	if err != nil {
		return err
	}
	out := spec.MirrorStatus{Mirror: m.Name, Cluster: s.cluster, Repository: r.Name}
	used, looked := false, 0
	for i, id := range slices.Backward(ids) {
		_, copied := slices.BinarySearch(there.ids, id)
		if copied && i < len(ids)-1 || looked == maxStatusPoints {
			continue
		}
		looked++
		head, err := readHead(ctx, r.Store, s.cluster, id)
		if errors.Is(err, storage.ErrNotFound) || errors.Is(err, restorepoint.ErrFormat) {
			continue
		}
		if err != nil {
			return err
		}
		if asked, err := head.Asked(); err != nil || !slices.Contains(asked.Mirrors, m.Name) {
			continue
		}
		used = true
		if !copied {
			out.Behind++
			out.Since = utc(head.CreatedAt)
		}
	}
	if used {
		s.out.Mirrors = append(s.out.Mirrors, out)
	}
	return nil
}

func utc(t time.Time) string { return t.UTC().Format(time.RFC3339) }
