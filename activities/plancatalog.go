package activities

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"starkeep/starrocks"
)

// target is what stands in the database that a restore goes into. It is read by a few queries for the whole database;
// only definitions are read one by one, of tables that are there and in the restore point.
type target struct {
	database   string
	exists     bool
	tables     map[string]starrocks.Table
	states     map[string]starrocks.TableState  // nil: the user may not look
	partitions map[string][]starrocks.Partition // of tables that the plan is about; temporary ones too
	loads      []starrocks.RoutineLoad
	committed  []committedLoad   // loads that are committed and not visible yet
	grants     []starrocks.Grant // on its tables
	grantsErr  error             // why they cannot be read
	views      []dependent       // async materialized views of the whole cluster: they may read from anywhere
	logical    []dependent       // logical views of the whole cluster
	newNames   map[string]string // names that tables of this plan end with → where they come from
	ddl        func(table string) (string, error)
	native     func(label string) (*native, error)
}

// dependent is a view and what it reads, as text.
type dependent struct {
	database, name, definition string
	words                      map[string]bool // of the definition
}

// look reads what stands in a target database, once.
func (p *restorePlanner) look(ctx context.Context, database string) (*target, error) {
	if at := p.targets[database]; at != nil {
		return at, nil
	}
	at := &target{database: database, tables: map[string]starrocks.Table{}, newNames: map[string]string{}}
	at.native = func(label string) (*native, error) { return p.native(ctx, label) }
	databases, err := p.cluster.FE.Databases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the databases of cluster %s: %w", p.cluster.Name, err)
	}
	if at.exists = slices.Contains(databases, database); at.exists {
		if err := p.readTarget(ctx, at, databases); err != nil {
			return nil, err
		}
	} else if starrocks.IsSystemDatabase(database) {
		return nil, invalid("database %q belongs to StarRocks; restore into another one", database)
	}
	p.targets[database] = at
	return at, nil
}

func (p *restorePlanner) readTarget(ctx context.Context, at *target, databases []string) error {
	fe := p.cluster.FE
	at.ddl = definitions(ctx, fe, at.database)
	tables, err := fe.Tables(ctx, at.database)
	if err != nil {
		return fmt.Errorf("list the tables of database %s: %w", at.database, err)
	}
	for _, t := range tables {
		at.tables[t.Name] = t
	}
	if at.loads, err = fe.RoutineLoads(ctx, at.database); err != nil && !errors.Is(err, starrocks.ErrUnsupported) {
		return fmt.Errorf("list the routine loads of database %s: %w", at.database, err)
	}
	if err := p.readPartitions(ctx, at); err != nil {
		return err
	}
	if err := p.readStates(ctx, at); err != nil {
		return err
	}
	if err := p.readGrants(ctx, at); err != nil {
		return err
	}
	if err := p.readViews(ctx, databases); err != nil {
		return err
	}
	at.views, at.logical = p.views, p.logical
	return nil
}

// definitions reads SHOW CREATE TABLE of a database's tables, each once.
func definitions(ctx context.Context, fe *starrocks.Client, database string) func(string) (string, error) {
	known := map[string]string{}
	return func(table string) (string, error) {
		if ddl, ok := known[table]; ok {
			return ddl, nil
		}
		ddl, err := fe.ShowCreateTable(ctx, database, table)
		if err == nil {
			known[table] = ddl
		}
		return ddl, err
	}
}

// readPartitions lists the partitions of the tables that the plan is about, by one query for all.
func (p *restorePlanner) readPartitions(ctx context.Context, at *target) error {
	at.partitions = map[string][]starrocks.Partition{}
	wanted := p.wanted[at.database]
	if !slices.ContainsFunc(slices.Collect(maps.Keys(wanted)), func(name string) bool { return at.tables[name].Kind == starrocks.KindTable }) {
		return nil
	}
	for part, err := range p.cluster.FE.Partitions(ctx, at.database) {
		if err != nil {
			return fmt.Errorf("list the partitions of database %s: %w", at.database, err)
		}
		if wanted[part.Table] {
			at.partitions[part.Table] = append(at.partitions[part.Table], part)
		}
	}
	return nil
}

// readStates looks at what the FE does with the tables, and at loads that are not visible. Who may not look is told.
func (p *restorePlanner) readStates(ctx context.Context, at *target) (err error) {
	at.states, err = p.cluster.FE.TableStates(ctx, at.database)
	if err == nil {
		at.committed, err = committedLoads(ctx, p.cluster.FE, at.database)
	}
	if errors.Is(err, starrocks.ErrDenied) || errors.Is(err, starrocks.ErrUnsupported) || errors.Is(err, starrocks.ErrUnknownDatabase) { // StarRocks 2.5 may prefix names there
		p.warn("whether an ALTER TABLE or a load that is committed and not visible yet is under way in database %s was not looked at: %v", at.database, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the states of the tables of database %s: %w", at.database, err)
	}
	return nil
}

// readGrants reads the grants on the tables; that they cannot be read is for the tables to say.
func (p *restorePlanner) readGrants(ctx context.Context, at *target) error {
	at.grants, at.grantsErr = p.cluster.FE.TableGrants(ctx, at.database)
	if errors.Is(at.grantsErr, starrocks.ErrConnectionLost) || errors.Is(at.grantsErr, starrocks.ErrNoLeader) {
		return fmt.Errorf("read the grants on tables of database %s: %w", at.database, at.grantsErr)
	}
	return nil
}

// readViews lists the async materialized views and the logical views of the whole cluster, once: they may read from any
// database.
func (p *restorePlanner) readViews(ctx context.Context, databases []string) error {
	if p.viewsRead {
		return nil
	}
	for _, d := range databases {
		views, err := p.cluster.FE.MaterializedViews(ctx, d)
		if errors.Is(err, starrocks.ErrUnknownDatabase) {
			continue // dropped meanwhile
		}
		if err != nil {
			return fmt.Errorf("list the materialized views of database %s: %w", d, err)
		}
		for _, v := range views {
			if v.RefreshType != "ROLLUP" && v.RefreshType != "SYNC" {
				p.views = append(p.views, newDependent(d, v.Name, v.Definition))
			}
		}
		logical, err := p.cluster.FE.Views(ctx, d)
		if err != nil {
			return fmt.Errorf("list the views of database %s: %w", d, err)
		}
		for _, v := range logical {
			p.logical = append(p.logical, newDependent(d, v.Name, v.Definition))
		}
	}
	p.viewsRead = true
	return nil
}

func newDependent(database, name, definition string) dependent {
	d := dependent{database: database, name: name, definition: definition, words: map[string]bool{}}
	for _, w := range strings.FieldsFunc(definition, notInWord) {
		d.words[w] = true
	}
	return d
}

func notInWord(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsNumber(r) }

// reads tells whether the view's text names the table. It errs on the side of yes: a view that breaks unseen is worse
// than a restore that asks.
func (v dependent) reads(database, table string) bool {
	return v.names(table) && (v.database == database || v.names(database))
}

func (v dependent) names(name string) bool {
	if strings.ContainsFunc(name, notInWord) {
		return word(v.definition, name)
	}
	return v.words[name]
}

func word(text, name string) bool {
	return strings.Contains(text, name) &&
		regexp.MustCompile(`(?:^|[^\p{L}\p{N}_])`+regexp.QuoteMeta(name)+`(?:$|[^\p{L}\p{N}_])`).MatchString(text)
}
