// Fills the hole of a photograph on iOS and macOS with Core ML; the whole pipeline is in the model.
//
//     rethined export coreml --form pipeline --size 512x512 --hr 2048 -o Rethined.mlpackage
//
// Add Rethined.mlpackage to the target; Xcode compiles it to Rethined.mlmodelc in the bundle.
//
//     let rethined = try Rethined()
//     let filled = try rethined.fill(photo, mask: mask)      // off the main thread

import CoreGraphics
import CoreML
import Foundation

enum RethinedError: Error {
    case noModel
    case maskOfAnotherSize
    case allIsHole
    /// The hole is longer than the model's square: fill it part by part.
    case holeTooLong(px: Int, mostPx: Int)
    case unreadablePicture
}

final class Rethined {
    private let model: MLModel
    /// Side of the square that the model fills, in pixels of the photograph.
    private let side: Int

    init(bundle: Bundle = .main, units: MLComputeUnits = .all) throws {
        guard let place = bundle.url(forResource: "Rethined", withExtension: "mlmodelc") else {
            throw RethinedError.noModel
        }
        let settings = MLModelConfiguration()
        settings.computeUnits = units
        let loaded = try MLModel(contentsOf: place, configuration: settings)
        let picture = loaded.modelDescription.inputDescriptionsByName["picture"]
        guard let length = picture?.multiArrayConstraint?.shape.last else { throw RethinedError.noModel }
        model = loaded
        side = length.intValue
    }

    /// The photograph with its hole filled, at its own resolution; of the mask, white is filled.
    func fill(_ photo: CGImage, mask: CGImage) throws -> CGImage {
        guard mask.width == photo.width, mask.height == photo.height else { throw RethinedError.maskOfAnotherSize }
        let (width, height) = (photo.width, photo.height)
        var colours = try Pixels(photo)
        let marks = try Pixels(mask)
        let isHole = (0..<width * height).map { marks.values[4 * $0 + 1] > 127 }
        let holes = isHole.indices.filter { isHole[$0] }
        guard !holes.isEmpty else { return photo }
        let left = try start(of: holes.lazy.map { $0 % width }, length: width)
        let top = try start(of: holes.lazy.map { $0 / width }, length: height)

        let area = side * side
        var picture = [Float](repeating: 0, count: 3 * area)
        var hole = [Float](repeating: 1, count: area)  // beyond the photograph nothing is known
        for row in 0..<min(side, height - top) {
            for column in 0..<min(side, width - left) {
                let from = (top + row) * width + left + column
                let to = row * side + column
                if isHole[from] { continue }
                hole[to] = 0
                for channel in 0..<3 {
                    picture[channel * area + to] = Float(colours.values[4 * from + channel]) / 255
                }
            }
        }
        guard hole.contains(0) else { throw RethinedError.allIsHole }
        let inputs = try MLDictionaryFeatureProvider(dictionary: [
            "picture": MLFeatureValue(shapedArray: MLShapedArray<Float>(scalars: picture, shape: [1, 3, side, side])),
            "hole": MLFeatureValue(shapedArray: MLShapedArray<Float>(scalars: hole, shape: [1, 1, side, side])),
        ])
        guard let output = try model.prediction(from: inputs).featureValue(for: "filled")?.multiArrayValue else {
            throw RethinedError.noModel
        }
        let filled = MLShapedArray<Float>(converting: output).scalars
        for place in holes {
            let from = (place / width - top) * side + place % width - left
            for channel in 0..<3 {
                let level = (filled[channel * area + from] * 255).rounded()
                colours.values[4 * place + channel] = UInt8(min(max(level, 0), 255))
            }
        }
        return try colours.image()
    }

    /// Where the square begins along one axis: around the hole, inside the photograph as far as that is large enough.
    private func start<Places: Sequence>(of holes: Places, length: Int) throws -> Int where Places.Element == Int {
        let first = holes.min() ?? 0
        let last = holes.max() ?? 0
        guard last - first < side else { throw RethinedError.holeTooLong(px: last - first + 1, mostPx: side) }
        return min(max((first + last + 1 - side) / 2, 0), max(length - side, 0))
    }
}

/// A picture as RGBX bytes in sRGB.
private struct Pixels {
    var values: [UInt8]
    let width: Int
    let height: Int

    init(_ image: CGImage) throws {
        (width, height) = (image.width, image.height)
        values = [UInt8](repeating: 0, count: 4 * width * height)
        let isDrawn = values.withUnsafeMutableBytes { bytes -> Bool in
            guard let context = Self.context(bytes.baseAddress, image.width, image.height) else { return false }
            context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
            return true
        }
        guard isDrawn else { throw RethinedError.unreadablePicture }
    }

    mutating func image() throws -> CGImage {
        let (width, height) = (self.width, self.height)
        let made = values.withUnsafeMutableBytes { Self.context($0.baseAddress, width, height)?.makeImage() }
        guard let made else { throw RethinedError.unreadablePicture }
        return made
    }

    private static func context(_ bytes: UnsafeMutableRawPointer?, _ width: Int, _ height: Int) -> CGContext? {
        guard let space = CGColorSpace(name: CGColorSpace.sRGB) else { return nil }
        return CGContext(
            data: bytes, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 4 * width, space: space,
            bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
    }
}
