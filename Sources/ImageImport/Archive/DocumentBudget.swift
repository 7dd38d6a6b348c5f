/// How many bytes of documents may still be read from an archive.
struct DocumentBudget {
    private let limit: Int64
    private var spent: Int64 = 0

    init(_ limits: ImportLimits) { limit = limits.documentBytes }

    /// Takes a document of this length into account.
    mutating func spend(_ length: Int64) throws(ImageImportError) {
        // A document is at most a few MiB long, so that the sum stays near the limit.
        spent += length
        guard spent <= limit else {
            throw .limit("the length of all documents", name: "documentBytes", value: "\(limit)")
        }
    }
}
