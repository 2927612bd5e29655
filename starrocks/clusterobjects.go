package starrocks

import (
	"context"
	"strings"
)

// The kinds of objects that belong to a cluster, not to a database, with the statement that lists them and its column.
var clusterObjects = []struct{ kind, statement, column string }{
	{"user", "SHOW USERS", "User"},
	{"role", "SHOW ROLES", "Name"},
	{"resource group", "SHOW RESOURCE GROUPS ALL", "name"},
	{"storage volume", "SHOW STORAGE VOLUMES", "Storage Volume"},
}

// ClusterObject is a user, role, resource group or storage volume. Err says why the objects of a kind cannot be listed.
type ClusterObject struct {
	Kind, Name string
	Err        error
}

// builtIn are those that every cluster has.
var builtIn = map[string]bool{
	"'root'@'%'": true, "root": true, "db_admin": true, "cluster_admin": true, "user_admin": true, "public": true, "security_admin": true,
	"default_wg": true, "default_mv_wg": true, "builtin_storage_volume": true,
}

// ClusterObjects lists what belongs to the cluster and no BACKUP takes, but for what every cluster has. A kind that cannot
// be listed is one entry with the error: versions and privileges differ.
func (c *Client) ClusterObjects(ctx context.Context) []ClusterObject {
	var list []ClusterObject
	for _, o := range clusterObjects {
		t, err := c.query(ctx, call{op: o.statement, sql: o.statement})
		if err != nil {
			list = append(list, ClusterObject{Kind: o.kind, Err: err})
			continue
		}
		seen := map[string]bool{}
		for _, r := range t.rows {
			name := r.text(o.column)
			if !r.yes("Builtin") && !builtIn[strings.ToLower(name)] && !seen[name] {
				list = append(list, ClusterObject{Kind: o.kind, Name: name})
			}
			seen[name] = true
		}
	}
	return list
}

// DropPartition drops a partition of a table, into the recycle bin: never FORCE.
func (c *Client) DropPartition(ctx context.Context, database, table, partition string) error {
	name, err := qualified(database, "table", table)
	if err != nil {
		return err
	}
	part, err := identifier("partition", partition)
	if err != nil {
		return err
	}
	return c.exec(ctx, call{op: "ALTER TABLE DROP PARTITION", target: database + "." + table + " " + partition,
		sql: "ALTER TABLE " + name + " DROP PARTITION " + part})
}
