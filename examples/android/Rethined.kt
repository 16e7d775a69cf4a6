// Fills the hole of a photograph on Android with ONNX Runtime; the whole pipeline is in the network.
//
//     rethined export onnx --form pipeline --size 512x512 --hr 2048 -o app/src/main/assets/rethined.onnx
//     implementation("com.microsoft.onnxruntime:onnxruntime-android:1.24.3")     // in build.gradle.kts
//
//     val filled = Rethined(context).use { it.fill(photo, mask) }                 // off the main thread
//
// Known pixels come back bit for bit where they are opaque.

package org.rethined.edge

import ai.onnxruntime.OnnxTensor
import ai.onnxruntime.OrtEnvironment
import ai.onnxruntime.OrtSession
import ai.onnxruntime.TensorInfo
import android.content.Context
import android.graphics.Bitmap
import android.graphics.Color
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import kotlin.math.roundToInt

private const val THREADS = 4

class Rethined(context: Context, asset: String = "rethined.onnx") : AutoCloseable {
    private val environment = OrtEnvironment.getEnvironment()
    private val session: OrtSession =
        OrtSession.SessionOptions().use { options ->
            options.setIntraOpNumThreads(THREADS)
            environment.createSession(context.assets.open(asset).use { it.readBytes() }, options)
        }

    /** Side of the square that the network fills, in pixels of the photograph. */
    private val side: Int = (session.inputInfo.getValue("picture").info as TensorInfo).shape.last().toInt()

    /**
     * The photograph with its hole filled, at its own resolution.
     *
     * @param photo of any size.
     * @param mask of the same size; white is filled. The hole has to fit into a square of [side] pixels: fill a larger
     *   one part by part.
     */
    fun fill(photo: Bitmap, mask: Bitmap): Bitmap {
        require(mask.width == photo.width && mask.height == photo.height) {
            "the mask has ${mask.width} x ${mask.height} pixels; expected ${photo.width} x ${photo.height}"
        }
        val width = photo.width
        val colours = pixelsOf(photo)
        val marks = pixelsOf(mask)
        val isHole = BooleanArray(marks.size) { Color.green(marks[it]) > 127 }
        val holes = isHole.indices.filter { isHole[it] }
        if (holes.isEmpty()) return photo
        val left = start(holes.minOf { it % width }, holes.maxOf { it % width }, width)
        val top = start(holes.minOf { it / width }, holes.maxOf { it / width }, photo.height)

        val area = side * side
        val picture = floats(3 * area)
        val hole = floats(area)
        var knownPixels = 0
        for (row in 0 until side) {
            for (column in 0 until side) {
                val to = row * side + column
                // Beyond the photograph nothing is known.
                val isInside = top + row < photo.height && left + column < width
                val from = (top + row) * width + left + column
                if (!isInside || isHole[from]) {
                    hole.put(to, 1f)
                    continue
                }
                knownPixels++
                picture.put(to, Color.red(colours[from]) / 255f)
                picture.put(area + to, Color.green(colours[from]) / 255f)
                picture.put(2 * area + to, Color.blue(colours[from]) / 255f)
            }
        }
        require(knownPixels > 0) { "within $side px round the hole all is white: leave something to fill from" }
        val filled = run(picture, hole)
        for (place in holes) {
            val from = (place / width - top) * side + place % width - left
            val level = { channel: Int -> (filled.get(channel * area + from) * 255).roundToInt().coerceIn(0, 255) }
            colours[place] = Color.argb(Color.alpha(colours[place]), level(0), level(1), level(2))
        }
        return Bitmap.createBitmap(colours, width, photo.height, Bitmap.Config.ARGB_8888)
    }

    override fun close() = session.close()

    private fun run(picture: FloatBuffer, hole: FloatBuffer): FloatBuffer =
        tensor(picture, 3).use { pictureTensor ->
            tensor(hole, 1).use { holeTensor ->
                session.run(mapOf("picture" to pictureTensor, "hole" to holeTensor)).use { outputs ->
                    (outputs.get("filled").get() as OnnxTensor).floatBuffer // a copy
                }
            }
        }

    private fun tensor(values: FloatBuffer, channels: Long): OnnxTensor =
        OnnxTensor.createTensor(environment, values, longArrayOf(1, channels, side.toLong(), side.toLong()))

    /** Where the square begins along one axis: around the hole, inside the photograph as far as that is large enough. */
    private fun start(first: Int, last: Int, length: Int): Int {
        require(last - first < side) { "the hole is ${last - first + 1} px long; expected at most $side" }
        return ((first + last + 1 - side) / 2).coerceIn(0, maxOf(length - side, 0))
    }

    private fun pixelsOf(bitmap: Bitmap): IntArray {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        return pixels
    }

    private fun floats(count: Int): FloatBuffer =
        ByteBuffer.allocateDirect(4 * count).order(ByteOrder.nativeOrder()).asFloatBuffer()
}
