package restorepoint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"starkeep/starrocks"
)

// ProblemKind says what is wrong with an object or a tablet of a native snapshot.
type ProblemKind string

// The kinds of problems.
const (
	ProblemMissing ProblemKind = "missing"      // an object, or a whole tablet, is not there
	ProblemSize    ProblemKind = "size differs" // the object is not the one that was written
	ProblemContent ProblemKind = "content differs"
	ProblemDouble  ProblemKind = "double"  // two objects where one must be: StarRocks takes either
	ProblemForeign ProblemKind = "foreign" // an object that StarRocks would stumble over
)

// Problem is one thing wrong with a native snapshot. Table and Partition are "" for __info, __meta and what belongs to
// no known partition.
type Problem struct {
	Kind      ProblemKind `json:"kind"`
	Table     string      `json:"table,omitempty"`
	Partition string      `json:"partition,omitempty"`
	Tablet    int64       `json:"tablet,omitempty"`
	Key       string      `json:"key,omitempty"` // of the object; of the directory if all of it is meant
	Detail    string      `json:"detail"`
}

// String names the place, outermost first, and what is wrong there.
func (p Problem) String() string {
	var where []string
	if p.Table != "" {
		where = append(where, fmt.Sprintf("table %q partition %q", p.Table, p.Partition))
	}
	if p.Tablet != 0 {
		where = append(where, fmt.Sprintf("tablet %d", p.Tablet))
	}
	if p.Key != "" {
		where = append(where, fmt.Sprintf("object %q", p.Key))
	}
	return strings.Join(where, " ") + ": " + p.Detail
}

// Place is a partition by name.
type Place struct {
	Table     string `json:"table"`
	Partition string `json:"partition"`
}

// maxFirst is how many problems are kept in full.
const maxFirst = 100

// Findings is the outcome of a check: bounded, however bad things are.
type Findings struct {
	Total int       `json:"total"`
	First []Problem `json:"first,omitempty"` // the first 100
	// Places are all partitions concerned, sorted: the culprits.
	Places []Place `json:"places,omitempty"`

	seen map[Place]bool
}

// OK tells whether nothing was found.
func (f *Findings) OK() bool { return f.Total == 0 }

// String names the first three problems and how many there are.
func (f *Findings) String() string {
	if f.OK() {
		return "no problem found"
	}
	var texts []string
	for _, p := range f.First[:min(3, len(f.First))] {
		texts = append(texts, p.String())
	}
	if more := f.Total - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

func (f *Findings) add(p Problem) {
	f.Total++
	if len(f.First) < maxFirst {
		f.First = append(f.First, p)
	}
	place := Place{Table: p.Table, Partition: p.Partition}
	if p.Table == "" || f.seen[place] {
		return
	}
	if f.seen == nil {
		f.seen = map[Place]bool{}
	}
	f.seen[place] = true
	at, _ := slices.BinarySearchFunc(f.Places, place, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Partition, b.Partition))
	})
	f.Places = slices.Insert(f.Places, at, place)
}

// Places finds the name of a physical partition by its id.
type Places map[int64]Place

// PlacesOf gives the names of all physical partitions of the tables.
func PlacesOf(tables []Table) Places {
	places := Places{}
	for _, t := range tables {
		for _, p := range t.Partitions {
			for _, ph := range p.Physical {
				places[ph.ID] = Place{Table: t.Name, Partition: p.Name}
			}
		}
	}
	return places
}

// problemAt makes a problem with the names that belong to the key.
func (p Places) problemAt(kind ProblemKind, key starrocks.NativeKey, name, detail string) Problem {
	place := p[key.Tablet.Partition]
	return Problem{Kind: kind, Table: place.Table, Partition: place.Partition, Tablet: key.Tablet.Tablet, Key: name, Detail: detail}
}
