package starrockssim

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// The JSON of __info, in the FE's names.
type infoFile struct {
	Database   string               `json:"database"`
	Meta       int                  `json:"meta_version"`
	BackupTime int64                `json:"backup_time"`
	Name       string               `json:"name"`
	SRMeta     int                  `json:"starrocks_meta_version"`
	Result     string               `json:"backup_result"`
	ID         int64                `json:"id"`
	Objects    map[string]infoTable `json:"backup_objects"`
}

type infoTable struct {
	Partitions map[string]infoPartition `json:"partitions"`
	Auto       int64                    `json:"autoIncrementId,omitempty"`
	ID         int64                    `json:"id"`
}

type infoPartition struct {
	Indexes map[string]infoIndex    `json:"indexes"`
	ID      int64                   `json:"id"`
	Hash    int64                   `json:"version_hash"`
	Version int64                   `json:"version"`
	Sub     map[string]infoPhysical `json:"subPartitions,omitzero"`
}

type infoPhysical struct {
	Indexes map[string]infoIndex `json:"indexes"`
	ID      int64                `json:"id"`
	Version int64                `json:"version"`
}

type infoIndex struct {
	SchemaHash int64               `json:"schema_hash"`
	Order      []string            `json:"tablets_order"`
	ID         int64               `json:"id"`
	Tablets    map[string][]string `json:"tablets"`
}

// parseInfo reads __info; a missing mandatory key is told in org.json's words.
func parseInfo(text []byte) (*infoFile, error) {
	var keys map[string]json.RawMessage
	if err := jsonError(text, &keys); err != nil {
		return nil, err
	}
	for _, key := range []string{"name", "database", "id", "backup_time", "backup_objects", "backup_result"} {
		if _, ok := keys[key]; !ok {
			return nil, fmt.Errorf("JSONObject[%q] not found.", key)
		}
	}
	var info infoFile
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, err
	}
	return &info, nil
}

// place is where a partition's tablets are: the physical partition, or the old form without one.
func (p infoPartition) place(index string) (physical int64, idx infoIndex, ok bool) {
	for _, sub := range p.Sub {
		idx, ok = sub.Indexes[index]
		return sub.ID, idx, ok
	}
	idx, ok = p.Indexes[index]
	return p.ID, idx, ok
}

// indexes names a partition's indexes, the base index first.
func (p infoPartition) indexes(base string) []string {
	list := []string{base}
	all := p.Indexes
	for _, sub := range p.Sub {
		all = sub.Indexes
	}
	for _, name := range sortedKeys(all) {
		if name != base {
			list = append(list, name)
		}
	}
	return list
}

// tablets lists an index's tablets in the order of the buckets.
func (x infoIndex) tablets() []int64 {
	order := x.Order
	if order == nil {
		order = sortedKeys(x.Tablets)
	}
	list := make([]int64, len(order))
	for i, id := range order {
		fmt.Sscan(id, &list[i])
	}
	return list
}

// The JSON of __meta: int32 length, then this.
type metaFile struct {
	Tables    map[string]*metaTable `json:"tblNameMap"`
	Functions []json.RawMessage     `json:"functions"`
	Catalogs  []json.RawMessage     `json:"catalogs"`
}

func (m *metaFile) encode() []byte {
	text, err := json.Marshal(m)
	if err != nil {
		panic(err) // maps and structs of ours always marshal
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

var errMeta = errors.New("bad __meta")

func parseMeta(b []byte) (*metaFile, error) {
	b = readBinaryMeta(b)
	if len(b) < 4 || int(binary.BigEndian.Uint32(b)) > len(b)-4 {
		return nil, errMeta
	}
	var m metaFile
	if err := json.Unmarshal(b[4:4+binary.BigEndian.Uint32(b)], &m); err != nil {
		return nil, err
	}
	for name, t := range m.Tables {
		if t == nil || t.Clazz == "" {
			return nil, fmt.Errorf("%w: table %s", errMeta, name)
		}
	}
	return &m, nil
}

type metaType struct {
	Clazz     string `json:"clazz"`
	Type      string `json:"type"`
	Len       int    `json:"len"`
	Precision int    `json:"precision"`
	Scale     int    `json:"scale"`
}

type metaStats struct {
	Size     float64 `json:"avgSerializedSize"`
	Max      int     `json:"maxSize"`
	Distinct int     `json:"numDistinctValues"`
	Nulls    int     `json:"numNulls"`
}

type metaColumn struct {
	Name     string    `json:"name"`
	ColumnID string    `json:"columnId"`
	UID      int       `json:"uniqueId"`
	Type     metaType  `json:"type"`
	Agg      string    `json:"aggregationType,omitempty"`
	Implicit bool      `json:"isAggregationTypeImplicit"`
	Key      bool      `json:"isKey"`
	Nullable bool      `json:"isAllowNull"`
	AutoInc  bool      `json:"isAutoIncrement"`
	Default  *string   `json:"defaultValue,omitempty"`
	Gen      *metaExpr `json:"generatedColumnExpr,omitempty"`
	Comment  string    `json:"comment"`
	Stats    metaStats `json:"stats"`
	Physical string    `json:"physicalName"`
}

type metaIndex struct {
	ID         int64        `json:"indexId"`
	Schema     []metaColumn `json:"schema"`
	Version    int          `json:"schemaVersion"`
	SchemaHash int64        `json:"schemaHash"`
	SchemaID   int64        `json:"schemaId"`
	ShortKeys  int          `json:"shortKeyColumnCount"`
	SortKey    []int        `json:"sortKeyIdxes,omitempty"`
	Storage    string       `json:"storageType"`
	Keys       string       `json:"keysType"`
	DBID       int64        `json:"dbId"`
	Colocate   bool         `json:"isColocateMVIndex"`
}

type metaDist struct {
	Clazz    string       `json:"clazz"`
	ColIDs   []string     `json:"colIds,omitempty"`
	Columns  []metaColumn `json:"distributionColumns,omitempty"`
	Buckets  int          `json:"bucketNum,omitempty"`
	RandomB  int          `json:"b,omitempty"`
	TypeName string       `json:"typeStr"`
	Type     string       `json:"type"`
}

type metaProperty struct {
	Medium   string `json:"storageMedium"`
	Cooldown int64  `json:"cooldownTimeMs"`
}

type metaExpr struct {
	Expr string `json:"expr"`
}

type metaCache struct {
	Bytes []int8 `json:"cacheInfoBytes"`
}

type metaPartitionInfo struct {
	Clazz      string                  `json:"clazz"`
	Exprs      []metaExpr              `json:"partitionExprs,omitempty"`
	Columns    []metaColumn            `json:"partitionColumns,omitempty"`
	ColIDs     []string                `json:"colIds,omitempty"`
	Ranges     map[string][]int8       `json:"serializedIdToRange,omitempty"`
	TempRanges map[string][]int8       `json:"serializedIdToTempRange,omitempty"`
	Multi      map[string][][]string   `json:"idToMultiValues,omitempty"`
	Values     map[string][]string     `json:"idToValues,omitempty"`
	Temp       map[string]bool         `json:"idToTemp,omitempty"`
	Automatic  bool                    `json:"automaticPartition,omitempty"`
	Type       string                  `json:"type"`
	Property   map[string]metaProperty `json:"idToDataProperty"`
	Replicas   map[string]int          `json:"idToReplicationNum"`
	MultiCol   bool                    `json:"isMultiColumnPartition"`
	InMemory   map[string]bool         `json:"idToInMemory"`
	Cache      map[string]metaCache    `json:"idToStorageCacheInfo"`
}

type metaReplica struct {
	ID          int64  `json:"id"`
	Backend     int64  `json:"backendId"`
	Version     int64  `json:"version"`
	MinReadable int64  `json:"minReadableVersion"`
	DataSize    int64  `json:"dataSize"`
	Rows        int64  `json:"rowCount"`
	State       string `json:"state"`
	LastFailed  int64  `json:"lastFailedVersion"`
	LastSuccess int64  `json:"lastSuccessVersion"`
}

type metaTablet struct {
	Clazz      string        `json:"clazz"`
	Replicas   []metaReplica `json:"replicas"`
	Checked    int64         `json:"checkedVersion"`
	Consistent bool          `json:"isConsistent"`
	ID         int64         `json:"id"`
	Signature  int64         `json:"signature"`
	LastCheck  int64         `json:"lastCheckTime"`
}

type metaBase struct {
	ID         int64        `json:"id"`
	State      string       `json:"state"`
	Rows       int64        `json:"rowCount"`
	Virtual    []int64      `json:"virtualBuckets"`
	Tablets    []metaTablet `json:"tablets"`
	ShardGroup int64        `json:"shardGroupId"`
	Signature  int64        `json:"signature"`
	LastCheck  int64        `json:"lastCheckTime"`
}

type empty struct{}

type metaPhysical struct {
	ID          int64               `json:"id"`
	Name        string              `json:"name"`
	Parent      int64               `json:"parentId"`
	ShardGroup  int64               `json:"shardGroupId"`
	Immutable   bool                `json:"isImmutable"`
	Base        metaBase            `json:"baseIndex"`
	Rollups     map[string]metaBase `json:"idToVisibleRollupIndex"`
	Shadows     empty               `json:"idToShadowIndex"`
	Visible     int64               `json:"visibleVersion"`
	VisibleTime int64               `json:"visibleVersionTime"`
	Next        int64               `json:"nextVersion"`
	Data        int64               `json:"dataVersion"`
	NextData    int64               `json:"nextDataVersion"`
	Epoch       int64               `json:"versionEpoch"`
	TxnType     string              `json:"versionTxnType"`
	Switch      int64               `json:"metadataSwitchVersion"`
	Buckets     int                 `json:"bucketNum"`
	Signature   int64               `json:"signature"`
	LastCheck   int64               `json:"lastCheckTime"`
}

type metaPartition struct {
	ID         int64                   `json:"id"`
	Name       string                  `json:"name"`
	State      string                  `json:"state"`
	Default    int64                   `json:"dpid"`
	Sub        map[string]metaPhysical `json:"idToSubPartition"`
	Dist       metaDist                `json:"distributionInfo"`
	ShardGroup int64                   `json:"shardGroupId"`
	Immutable  bool                    `json:"isImmutable"`
	Rollups    empty                   `json:"idToVisibleRollupIndex"`
	Shadows    empty                   `json:"idToShadowIndex"`
	Visible    int64                   `json:"visibleVersion"`
	Time       int64                   `json:"visibleVersionTime"`
	Next       int64                   `json:"nextVersion"`
	Data       int64                   `json:"dataVersion"`
	NextData   int64                   `json:"nextDataVersion"`
	Epoch      int64                   `json:"versionEpoch"`
	TxnType    string                  `json:"versionTxnType"`
	Signature  int64                   `json:"signature"`
	LastCheck  int64                   `json:"lastCheckTime"`
}

type metaTableProperty struct {
	Properties map[string]string `json:"properties"`
	Level      int               `json:"compressionLevel"`
	HasDelete  bool              `json:"hasDelete"`
	Forbid     bool              `json:"hasForbitGlobalDict"`
}

type metaMVBase struct {
	Catalog string `json:"catalogName"`
	DBID    int64  `json:"dbId"`
	TableID int64  `json:"tableId"`
	DB      string `json:"dbName"`
	Table   string `json:"tableName"`
}

type metaRefresh struct {
	Moment string `json:"moment"`
	Type   string `json:"type"`
	Text   string `json:"simText,omitempty"` // ours: the REFRESH clause, word for word
}

type metaTempPartitions struct {
	Partitions empty `json:"idToPartition"`
}

type metaBitmaps struct {
	Indexes    []json.RawMessage `json:"indexes"`
	Properties empty             `json:"properties"`
}

// metaTable is an OlapTable, MaterializedView or View; keys that do not belong to the class are absent.
type metaTable struct {
	Clazz string `json:"clazz"`
	// View
	ViewQuery string `json:"i,omitempty"`
	ViewMode  *int64 `json:"m,omitempty"`
	ViewSec   *bool  `json:"s,omitempty"`
	// MaterializedView
	MVDB       int64        `json:"dbId,omitempty"`
	Refresh    *metaRefresh `json:"refreshScheme,omitempty"`
	Bases      []metaMVBase `json:"baseTableInfos,omitempty"`
	Active     *bool        `json:"active,omitempty"`
	Reason     string       `json:"inactiveReason,omitempty"`
	MVQuery    string       `json:"viewDefineSql,omitempty"`
	MVSimple   string       `json:"simpleDefineSql,omitempty"`
	MVOriginal string       `json:"originalViewDefineSql,omitempty"`
	// OlapTable, MaterializedView
	State      string                    `json:"state,omitempty"`
	Indexes    map[string]metaIndex      `json:"indexIdToMeta,omitempty"`
	IndexNames map[string]int64          `json:"indexNameToId,omitempty"`
	Keys       string                    `json:"keysType,omitempty"`
	Part       *metaPartitionInfo        `json:"partitionInfo,omitempty"`
	Partitions map[string]*metaPartition `json:"idToPartition,omitempty"`
	Dist       *metaDist                 `json:"defaultDistributionInfo,omitempty"`
	Temp       *metaTempPartitions       `json:"tempPartitions,omitempty"`
	Bloom      []string                  `json:"bfColumns,omitempty"`
	BloomFpp   *float64                  `json:"bfFpp,omitempty"`
	Colocate   string                    `json:"colocateGroup,omitempty"`
	Bitmaps    *metaBitmaps              `json:"indexes,omitempty"`
	BaseIndex  int64                     `json:"baseIndexId,omitempty"`
	Property   *metaTableProperty        `json:"tableProperty,omitempty"`
	MaxUID     *int                      `json:"maxColUniqueId,omitempty"`
	MaxIndex   *int64                    `json:"maxIndexId,omitempty"`
	// all
	ID        int64        `json:"id"`
	Name      string       `json:"name"`
	Type      string       `json:"type"`
	Created   int64        `json:"createTime"`
	Schema    []metaColumn `json:"fullSchema"`
	Comment   string       `json:"comment"`
	MVs       []metaMVRef  `json:"mvs"`
	Signature int64        `json:"signature"`
	LastCheck int64        `json:"lastCheckTime"`
}

type metaMVRef struct {
	DBID int64 `json:"dbId"`
	ID   int64 `json:"id"`
}

func (info *infoFile) encode() []byte {
	text, err := json.Marshal(info)
	if err != nil {
		panic(err)
	}
	return text
}
