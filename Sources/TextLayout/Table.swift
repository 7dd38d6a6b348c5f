/// Rows laid out in columns as wide as their widest cell, two spaces between them.
public struct Table: CustomStringConvertible, Sendable {
    private var rows: [[String]]

    /// A table with a line of headings.
    public init(_ headings: String...) { rows = [headings] }

    /// A table of rows alone.
    public init(rows: [[String]]) { self.rows = rows }

    /// Adds a row. The cells hold no line feeds.
    public mutating func add(_ cells: String...) { rows.append(cells) }

    /// The lines, without a line feed at the end; the last cell of a row is not filled up.
    public var description: String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            return cells.joined(separator: "  ")
        }.joined(separator: "\n")
    }
}
