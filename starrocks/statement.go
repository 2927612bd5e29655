package starrocks

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// DefaultJobTimeout is the timeout that BACKUP and RESTORE get: when the FE's timeout runs out it cancels the job, even in
// COMMITTING, so it must never run out by itself (rule 7).
const DefaultJobTimeout = 2592000 * time.Second

// minJobTimeout is the least that StarRocks takes (facts §1.3).
const minJobTimeout = 10 * time.Minute

// Object is a table or materialized view in the ON list of a BACKUP or RESTORE, with the partitions meant (none = all)
// and, in a RESTORE, another name.
type Object struct {
	Table      string
	Partitions []string
	Alias      string
}

// BackupStatement is BACKUP in the grammar that 2.5 and later know (facts §10.3).
type BackupStatement struct {
	Database, Label, Repository string
	Objects                     []Object
	Timeout                     time.Duration // 0 = DefaultJobTimeout
}

// SQL is the statement's text; ErrInvalidName or ErrInvalidStatement if it must not be sent.
func (s BackupStatement) SQL() (string, error) {
	for _, o := range s.Objects {
		if o.Alias != "" {
			return "", fmt.Errorf("BACKUP knows no AS (table %q): %w", o.Table, ErrInvalidStatement)
		}
	}
	head, err := jobHead("BACKUP", s.Database, s.Label, "TO", s.Repository)
	if err != nil {
		return "", err
	}
	on, err := onList(s.Objects)
	if err != nil {
		return "", err
	}
	timeout, err := jobTimeout(s.Timeout)
	if err != nil {
		return "", err
	}
	return head + on + ` PROPERTIES ("type" = "full", "timeout" = "` + timeout + `")`, nil
}

// RestoreStatement is RESTORE in the grammar that 2.5 and later know. Its database is the target; the snapshot's own
// database does not matter.
type RestoreStatement struct {
	Database, Label, Repository string
	Timestamp                   string // of the __info to use, from its key (rule 6)
	Objects                     []Object
	ReplicationNum              int           // at least 1 (rule 7: 0 poisons the FE)
	Timeout                     time.Duration // 0 = DefaultJobTimeout
}

// SQL is the statement's text; ErrInvalidName or ErrInvalidStatement if it must not be sent. An object with an alias must
// be alone: when a RESTORE of several objects fails, StarRocks drops the local table of the original name (rule 14).
func (s RestoreStatement) SQL() (string, error) {
	if err := s.check(); err != nil {
		return "", err
	}
	head, err := jobHead("RESTORE", s.Database, s.Label, "FROM", s.Repository)
	if err != nil {
		return "", err
	}
	on, err := onList(s.Objects)
	if err != nil {
		return "", err
	}
	timeout, err := jobTimeout(s.Timeout)
	if err != nil {
		return "", err
	}
	return head + on + ` PROPERTIES ("backup_timestamp" = "` + s.Timestamp + `", "replication_num" = "` +
		strconv.Itoa(s.ReplicationNum) + `", "timeout" = "` + timeout + `")`, nil
}

func (s RestoreStatement) check() error {
	if err := CheckTimestamp(s.Timestamp); err != nil {
		return err
	}
	if s.ReplicationNum < 1 {
		return fmt.Errorf("RESTORE with replication_num %d: %w", s.ReplicationNum, ErrInvalidStatement)
	}
	aliased := slices.ContainsFunc(s.Objects, func(o Object) bool { return o.Alias != "" })
	if aliased && len(s.Objects) > 1 {
		return fmt.Errorf("RESTORE of several objects with AS: %w", ErrInvalidStatement)
	}
	return nil
}

// jobHead is the part before ON, with the database always named (rule 5).
func jobHead(verb, database, label, preposition, repository string) (string, error) {
	if err := CheckLabel(label); err != nil {
		return "", err
	}
	if err := CheckRepository(repository); err != nil {
		return "", err
	}
	name, err := qualified(database, "label", label)
	if err != nil {
		return "", err
	}
	return verb + " SNAPSHOT " + name + " " + preposition + " `" + repository + "`", nil
}

// onList is the ON clause, never absent: without it RESTORE brings all functions along (rule 19). Names are unqualified: a
// database in front of a table is silently ignored.
func onList(objects []Object) (string, error) {
	if len(objects) == 0 {
		return "", fmt.Errorf("no tables named: %w", ErrInvalidStatement)
	}
	seen := make(map[string]bool, len(objects))
	items := make([]string, len(objects))
	for i, o := range objects {
		if seen[o.Table] {
			return "", fmt.Errorf("table %q named twice: %w", o.Table, ErrInvalidStatement)
		}
		seen[o.Table] = true
		item, err := o.sql()
		if err != nil {
			return "", err
		}
		items[i] = item
	}
	return " ON (" + strings.Join(items, ", ") + ")", nil
}

func (o Object) sql() (string, error) {
	item, err := identifier("table", o.Table)
	if err != nil {
		return "", err
	}
	if len(o.Partitions) > 0 {
		list, err := identifiers("partition", o.Partitions)
		if err != nil {
			return "", fmt.Errorf("table %q: %w", o.Table, err)
		}
		item += " PARTITION (" + list + ")"
	}
	if o.Alias == "" {
		return item, nil
	}
	alias, err := identifier("alias", o.Alias)
	if err != nil {
		return "", err
	}
	return item + " AS " + alias, nil
}

func jobTimeout(d time.Duration) (string, error) {
	if d == 0 {
		d = DefaultJobTimeout
	}
	if d < minJobTimeout {
		return "", fmt.Errorf("timeout %s is under StarRocks' minimum of %s: %w", d, minJobTimeout, ErrInvalidStatement)
	}
	return strconv.FormatInt(int64(d/time.Second), 10), nil
}

// RepositoryStatement is CREATE REPOSITORY. Its properties hold credentials: they never reach an error or a log of ours;
// the FE writes them into its own logs in clear (rule 24).
type RepositoryStatement struct {
	Name, Location string
	ReadOnly       bool
	Broker         string // empty: the BEs reach the store themselves
	Properties     map[string]string
}

// String hides the properties.
func (s RepositoryStatement) String() string {
	return fmt.Sprintf("CREATE REPOSITORY %s ON LOCATION %s", s.Name, s.Location)
}

// GoString hides the properties.
func (s RepositoryStatement) GoString() string { return s.String() }

func (s RepositoryStatement) sql() (string, error) {
	if err := CheckRepository(s.Name); err != nil {
		return "", err
	}
	location, err := stringLiteral("location", s.Location)
	if err != nil {
		return "", err
	}
	create := "CREATE"
	if s.ReadOnly {
		create = "CREATE READ ONLY"
	}
	broker := ""
	if s.Broker != "" {
		if broker, err = identifier("broker", s.Broker); err != nil {
			return "", err
		}
		broker = " " + broker
	}
	text := create + " REPOSITORY `" + s.Name + "` WITH BROKER" + broker + " ON LOCATION " + location
	if len(s.Properties) == 0 {
		return text, nil
	}
	properties, err := propertyList(s.Properties)
	if err != nil {
		return "", err
	}
	return text + " PROPERTIES (" + properties + ")", nil
}

// propertyList is "k" = "v", …, sorted by key. Errors name the key, never the value.
func propertyList(properties map[string]string) (string, error) {
	var items []string
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		k, err := stringLiteral("property name", key)
		if err != nil {
			return "", err
		}
		v, err := stringLiteral("property "+key, properties[key])
		if err != nil {
			return "", err
		}
		items = append(items, k+" = "+v)
	}
	return strings.Join(items, ", "), nil
}

// secrets are the values that must not be repeated if an FE's answer quotes them.
func (s RepositoryStatement) secrets() []string {
	var values []string
	for key, value := range s.Properties {
		if isSecretKey(key) && value != "" {
			values = append(values, value)
		}
	}
	return values
}

func isSecretKey(key string) bool {
	key = strings.ToLower(key)
	for _, word := range []string{"secret", "password", "access_key", "access.key", "accesskey", "token", "private_key", "sas", "shared_key", "credential", "keytab"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}
