package starrocks

import (
	"context"
	"math"
	"slices"
	"strings"
	"time"
)

// Version is the FE leader's version.
func (c *Client) Version(ctx context.Context) (Version, error) {
	leader, err := c.Leader(ctx)
	if err != nil {
		return Version{}, err
	}
	if leader.Version != "" {
		return ParseVersion(leader.Version)
	}
	t, err := c.query(ctx, call{op: "SELECT current_version()", sql: "SELECT current_version()"}) // answered by a BE
	if err != nil {
		return Version{}, err
	}
	if len(t.rows) == 0 {
		return ParseVersion("")
	}
	return ParseVersion(t.rows[0].text("current_version()"))
}

// Backends lists the cluster's BEs.
func (c *Client) Backends(ctx context.Context) ([]Backend, error) {
	t, err := c.query(ctx, call{op: "SHOW BACKENDS", sql: "SHOW BACKENDS"})
	if err != nil {
		return nil, err
	}
	frontends, err := c.query(ctx, call{op: "SHOW FRONTENDS", sql: "SHOW FRONTENDS"})
	if err != nil {
		return nil, err
	}
	backends := make([]Backend, len(t.rows))
	for i, r := range t.rows {
		backends[i] = Backend{
			ID:            r.number("BackendId"),
			Host:          r.first("IP", "Host"),
			Alive:         r.yes("Alive"),
			LastHeartbeat: r.time("LastHeartbeat"),
			Version:       r.text("Version"),
			ErrMsg:        r.text("ErrMsg"),
			Available:     parseSize(r.text("AvailCapacity")),
		}
	}
	newest := newestHeartbeat(slices.Concat(t.rows, frontends.rows))
	for i := range backends {
		backends[i].HeartbeatAge = newest.Sub(backends[i].LastHeartbeat)
	}
	return backends, nil
}

// newestHeartbeat stands in for the FE's clock, which may differ from ours: heartbeats go out to all nodes every 5 s.
func newestHeartbeat(rows []row) time.Time {
	var newest time.Time
	for _, r := range rows {
		if t := r.time("LastHeartbeat"); t.After(newest) {
			newest = t
		}
	}
	return newest
}

// RunMode is "shared_nothing" or "shared_data". Who may not see the configuration is told by SHOW BACKENDS' columns.
func (c *Client) RunMode(ctx context.Context) (string, error) {
	t, err := c.query(ctx, call{op: "ADMIN SHOW FRONTEND CONFIG", target: "run_mode", sql: "ADMIN SHOW FRONTEND CONFIG LIKE 'run_mode'"})
	if err == nil {
		for _, r := range t.rows {
			if r.text("Key") == "run_mode" {
				return r.text("Value"), nil
			}
		}
		return "shared_nothing", nil // before 3.0 there was no other
	}
	backends, err2 := c.query(ctx, call{op: "SHOW BACKENDS", sql: "SHOW BACKENDS"})
	if err2 != nil {
		return "", err
	}
	if backends.has("WarehouseName") || backends.has("StarletPort") {
		return "shared_data", nil
	}
	return "shared_nothing", nil
}

// Repositories lists the cluster's repositories.
func (c *Client) Repositories(ctx context.Context) ([]Repository, error) {
	t, err := c.query(ctx, call{op: "SHOW REPOSITORIES", sql: "SHOW REPOSITORIES"})
	if err != nil {
		return nil, err
	}
	repositories := make([]Repository, len(t.rows))
	for i, r := range t.rows {
		repositories[i] = Repository{
			ID:       r.number("RepoId"),
			Name:     r.text("RepoName"),
			ReadOnly: r.yes("IsReadOnly"),
			Location: r.text("Location"),
			ErrMsg:   r.text("ErrMsg"),
		}
	}
	return repositories, nil
}

// systemDatabases are StarRocks' own: BACKUP refuses them, and they differ from cluster to cluster.
var systemDatabases = []string{"information_schema", "sys", "_statistics_"}

// IsSystemDatabase says whether a database is StarRocks' own.
func IsSystemDatabase(name string) bool {
	return slices.Contains(systemDatabases, strings.ToLower(name))
}

// Databases lists the databases that the user sees, without StarRocks' own.
func (c *Client) Databases(ctx context.Context) ([]string, error) {
	t, err := c.query(ctx, call{op: "SHOW DATABASES", sql: "SHOW DATABASES"})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, r := range t.rows {
		if name := r.text("Database"); name != "" && !IsSystemDatabase(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// BackupJob is the database's last job if that was a BACKUP; nil if not. A newer RESTORE, a missing EXPORT privilege on
// any table of any job shown, and an FE that lost its record all give nil (rule 4).
func (c *Client) BackupJob(ctx context.Context, database string) (*Job, error) {
	return c.job(ctx, BackupKind, database)
}

// RestoreJob is the database's last job if that was a RESTORE; nil if not.
func (c *Client) RestoreJob(ctx context.Context, database string) (*Job, error) {
	return c.job(ctx, RestoreKind, database)
}

func (c *Client) job(ctx context.Context, kind JobKind, database string) (*Job, error) {
	name, err := identifier("database", database)
	if err != nil {
		return nil, err
	}
	jobs, err := c.jobs(ctx, kind, call{op: "SHOW " + string(kind), target: database, sql: "SHOW " + string(kind) + " FROM " + name})
	if err != nil {
		return nil, err
	}
	// The answer may also hold the job of external catalogs, and a renamed database's job has the old name (measured B 24).
	of := slices.IndexFunc(jobs, func(j Job) bool { return j.Database == database })
	if of < 0 {
		of = slices.IndexFunc(jobs, func(j Job) bool { return j.Database != "" })
	}
	if of < 0 {
		return nil, nil
	}
	return &jobs[of], nil
}

// Jobs lists the last job of every database, and of the external catalogs, of anybody.
func (c *Client) Jobs(ctx context.Context) ([]Job, error) {
	backups, err := c.jobs(ctx, BackupKind, call{op: "SHOW BACKUP", sql: "SHOW BACKUP"})
	if err != nil {
		return nil, err
	}
	restores, err := c.jobs(ctx, RestoreKind, call{op: "SHOW RESTORE", sql: "SHOW RESTORE"})
	if err != nil {
		return nil, err
	}
	return append(backups, restores...), nil
}

func (c *Client) jobs(ctx context.Context, kind JobKind, q call) ([]Job, error) {
	t, err := c.query(ctx, q)
	if err != nil {
		return nil, err
	}
	jobs := make([]Job, len(t.rows))
	for i, r := range t.rows {
		jobs[i] = jobOf(kind, r)
	}
	return jobs, nil
}

func jobOf(kind JobKind, r row) Job {
	return Job{
		Kind:           kind,
		ID:             r.number("JobId"),
		Label:          r.first("SnapshotName", "Label"),
		Timestamp:      r.text("Timestamp"),
		Database:       r.text("DbName"),
		State:          State(r.text("State")),
		Objects:        r.first("BackupObjs", "RestoreObjs"),
		Created:        r.time("CreateTime"),
		Downloaded:     r.time("DownloadFinishedTime"),
		Finished:       r.time("FinishedTime"),
		Unfinished:     parseTasks(r.text("UnfinishedTasks")),
		TaskErrors:     r.text("TaskErrMsg"),
		Status:         r.text("Status"),
		Timeout:        seconds(r.number("Timeout")),
		ReplicationNum: int(r.number("ReplicationNum")),
	}
}

// seconds: StarRocks takes timeouts that do not fit into a Duration (measured B 27).
func seconds(n int64) time.Duration {
	return time.Duration(min(n, int64(math.MaxInt64/time.Second))) * time.Second
}
